"""What all parts of the benchmark share: the synthetic tenant, and what is scanned with."""
import itertools
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SIGMA = os.path.join(ROOT, "..", "shared", "data", "sigma")
TENANT_FORM = {"realistic": 4, "hostile": 5}  # one more whenever what lies in the folder is of another form
EVENTS_LEAST = 100_000  # of which the start can be taken off
HOSTILE_RULES = os.path.join(ROOT, "bench", "hostile.yml")
os.environ["XDG_CACHE_HOME"] = os.path.join(ROOT, "build", "bench", "cache")  # nothing is left in the user's own


def add_arguments(parser):
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--users", type=int, default=1_500_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--profile", choices=["realistic", "hostile"], default="realistic")
    parser.add_argument("--runs", type=int, default=3, help="the best by CPU time is shown, all are in the JSON")
    parser.add_argument("--dir", default=os.path.join(ROOT, "build", "bench"), help="where the tenant is kept")
    parser.add_argument("--build", default="release", help="which build of the program")
    parser.add_argument("--sigma", default=SIGMA, help="public rules, if they are there")
    parser.add_argument("--json", help="write the figures to this file")


def must_tell(parser, args, why):
    """Refuses so few events that the difference of two runs is noise."""
    if args.events < EVENTS_LEAST:
        parser.error(f"{args.events:,} events are too few: {why}; from {EVENTS_LEAST:,} on")


def program(args):
    return os.path.join(ROOT, "build", args.build, "millrace")


def must(command, **more):
    result = subprocess.run(command, **more)
    if result.returncode != 0:
        sys.exit(f"bench: {' '.join(command)} ended with {result.returncode}")


def tenant(args):
    """The tenant's folder, made if it is not there yet."""
    name = f"{args.profile}-{args.seed}-{args.users}-{args.events}-form{TENANT_FORM[args.profile]}"
    folder = os.path.join(args.dir, name)
    if not os.path.exists(os.path.join(folder, "ready")):
        os.makedirs(folder, exist_ok=True)
        print(f"bench: making a tenant in {folder}", file=sys.stderr)
        must([program(args) + "-tenant", "--seed", str(args.seed), "--users", str(args.users), "--events",
              str(args.events), "--profile", args.profile, "--out", folder])
        people = os.path.join(folder, "people.ndjson")
        must([program(args), "identity", "import", "--store", os.path.join(folder, "identity"), people],
             stdout=subprocess.DEVNULL)
        os.unlink(people)
        open(os.path.join(folder, "ready"), "w").close()
    return folder


def head(path, count, out):
    """The first records of a file, into one that is open."""
    with open(path, "rb") as lines:
        out.writelines(itertools.islice(lines, count))
    out.flush()


def through(args, rules, path):
    """The command that takes a file of records through the whole pipeline in one process (cost.c)."""
    folder = tenant(args)
    return [program(args) + "-cost", *(f"rules={rule}" for rule in rules), f"geoip={folder}/city.mmdb", f"geoip={folder}/asn.mmdb",
            f"identity={folder}/identity", f"networks={folder}/networks.txt", f"input={path}", "output=/dev/null"]


def warm(path):
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def cool(path):
    """The kernel forgets what it holds of the file."""
    with open(path, "rb", buffering=0) as file:
        os.fdatasync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def rules(args):
    """Our own, the public ones where they are, and against the hostile profile one that each of its events signals to."""
    found = [os.path.join(ROOT, "rules")]
    if os.path.isdir(args.sigma):
        found.append(os.path.abspath(args.sigma))
    else:
        print(f"bench: no public rules in {os.path.abspath(args.sigma)}: only our own are used", file=sys.stderr)
    return found + ([HOSTILE_RULES] if args.profile == "hostile" else [])
