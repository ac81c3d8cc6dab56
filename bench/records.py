"""Records of a wished size and of so many users, for curves that the tenant cannot give; all alike but for what is named."""
import itertools

RECORD = ('{{"CreationTime":"2026-03-02T{hour:02}:{minute:02}:{second:02}","Id":"{number:08x}-0000-4000-8000-000000000000",'
          '"OrganizationId":"7d1c3c4e-5a0b-4c1f-9d5e-2b6f0c9a1e11","UserType":0,"UserKey":"{user}","Version":1,'
          '"ClientIP":"80.{a}.{b}.99","UserId":"{user}@tenant.example","ItemType":"File","Operation":"FileAccessed","RecordType":6,'
          '"Workload":"SharePoint","ObjectId":"https://tenant.sharepoint.example/{number}.xlsx"{more}}}\n')
PROPERTY = '{{"Name":"Property{number}","Value":"{number:08x}-3eb6-4798-ab15-1e40e48b3352 and some words more"}}'

# Each of them, and each record of Microsoft 365, makes a signal.
EACH_RULE = """title: Each
id: 00000000-0000-4000-8000-000000000300
name: each
status: test
level: low
logsource: {product: m365}
detection:
  each: {actor.user.name|exists: true}
  condition: each
"""


def filler(size):
    """A list of properties, as audit records have them, of about so many bytes."""
    parts, length = [], 26
    for number in itertools.count():
        part = PROPERTY.format(number=number)
        if length + len(part) + 1 > size:
            return ',"ExtendedProperties":[' + ",".join(parts) + "]" if parts else ""
        parts.append(part)
        length += len(part) + 1


def one(number, users, more=""):
    return RECORD.format(number=number, user=f"u{number % users:07}", hour=8 + number // 3600 % 8, minute=number // 60 % 60,
                         second=number % 60, a=number % 251, b=number // 251 % 251, more=more)


def write(path, count, users, size=0):
    """`size` bytes each, or as small as one can be."""
    more = filler(size - len(one(0, users)))
    with open(path, "w", encoding="ascii") as out:
        out.writelines(one(number, users, more) for number in range(count))
