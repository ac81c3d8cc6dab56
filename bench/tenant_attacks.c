/* tenant_attacks.c - five attacks, planted among the day's records, each a chain over several
 * records and at least two record kinds; and some noise that must not be taken for one.
 *
 * The list of what was planted goes to truth.json, from which the demo judges what was found. */
#include <stdlib.h>

#include "tenant.h"

#define MINUTE 60000000LL
#define HOUR (60 * MINUTE)
#define NO_ATTACK UINT32_MAX

enum attack { SPRAY, BACKDOOR, DEVICE_CODE, MASS_DOWNLOAD, FEDERATION, ATTACK_COUNT };

/* The rule (its id, in rules/) whose alert says that the attack was found. */
static const struct {
	const char *name;
	const char *rule;
} attack_names[] = {
    [SPRAY] = {"Password spray from rotating residential addresses, then a mailbox taken over",
	       "f00452af-63f4-5dd5-a48b-18d38c259d56"},
    [BACKDOOR] = {"Credential added to an application, then mail read by it",
		  "bca9ee63-acec-51b7-a0af-089dcddca60d"},
    [DEVICE_CODE] = {"Device-code phishing, then mail forwarded outside",
		     "5e411086-fd56-5684-9622-206a4f960246"},
    [MASS_DOWNLOAD] = {"Risky sign-in, then mass download", "554dc33f-0c58-5432-9900-7e31923083ca"},
    [FEDERATION] = {"New administrator changes the federation trust",
		    "94119b21-d037-5808-86e2-3215c44f5ef5"},
};

/* Macros of the templates serve here too. */
#define X(weight, form)
#define H(weight, form)
#include "tenant_template.def"
#undef X
#undef H

#define FORM_LEGACY_FAILED                                                                         \
	"{" SIGN "'category':'NonInteractiveUserSignInLogs','resultType':'50126','"                \
	"resultSignature':'None','properties':{" SIGNP(                                            \
	    "$A") "'isInteractive':false,'clientAppUsed':'Other "                                  \
		  "clients','authenticationProtocol':'ropc','status':{'errorCode':50126,"          \
		  "'failureReason':'Invalid username or password'}}}"
#define FORM_LEGACY_SUCCEEDED                                                                      \
	"{" SIGN "'category':'NonInteractiveUserSignInLogs','resultType':'0','resultSignature':'"  \
	"None','properties':{" SIGNP(                                                              \
	    "$A") "'isInteractive':false,'clientAppUsed':'Other "                                  \
		  "clients','authenticationProtocol':'ropc','authenticationRequirement':"          \
		  "'singleFactorAuthentication','status':{'errorCode':0}}}"
#define FORM_MAIL_READ                                                                             \
	"{" UAL EXO                                                                                \
	"'Operation':'MailItemsAccessed','RecordType':50,'ResultStatus':'Succeeded','Workload':'"  \
	"Exchange','UserId':'$u','AppId':'$a','ClientAppId':'$a','OperationProperties':[{'Name':'" \
	"MailAccessType','Value':'Bind'},{'Name':'IsThrottled','Value':'False'}],'Folders':[{'Id'" \
	":'$m','Path':'\\\\Inbox','FolderItems':[" ITEM "," ITEM "]}],'OperationCount':2}"
#define FORM_CREDENTIAL                                                                            \
	"{'time':'$z','resourceId':'/tenants/$o/providers/Microsoft.aadiam','operationName':'Add " \
	"service principal "                                                                       \
	"credentials','operationVersion':'1.0','category':'AuditLogs','tenantId':'$o','"           \
	"callerIpAddress':'$i','correlationId':'$g','Level':4,'properties':{'id':'$r','category':" \
	"'ApplicationManagement','result':'success','activityDisplayName':'Add service principal " \
	"credentials','activityDateTime':'$z','loggedByService':'Core "                            \
	"Directory','initiatedBy':{'user':{'id':'$U','userPrincipalName':'$u','ipAddress':'$i'}}," \
	"'targetResources':[{'id':'$g','displayName':'$n','type':'ServicePrincipal','"             \
	"modifiedProperties':[{'displayName':'KeyDescription','oldValue':'[]','newValue':'[\\'["   \
	"KeyIdentifier=$g,KeyType=AsymmetricX509Cert,KeyUsage=Verify,DisplayName=CN=backup]\\']'}" \
	"]}]}}"
#define FORM_APP_ROLE                                                                              \
	"{'time':'$z','resourceId':'/tenants/$o/providers/Microsoft.aadiam','operationName':'Add " \
	"app role assignment to service "                                                          \
	"principal','operationVersion':'1.0','category':'AuditLogs','tenantId':'$o','"             \
	"callerIpAddress':'$i','correlationId':'$g','Level':4,'properties':{'id':'$r','category':" \
	"'ApplicationManagement','result':'success','activityDisplayName':'Add app role "          \
	"assignment to service principal','activityDateTime':'$z','loggedByService':'Core "        \
	"Directory','initiatedBy':{'user':{'id':'$U','userPrincipalName':'$u','ipAddress':'$i'}}," \
	"'targetResources':[{'id':'$g','displayName':'Office 365 Exchange "                        \
	"Online','type':'ServicePrincipal','modifiedProperties':[{'displayName':'AppRole.Value','" \
	"oldValue':null,'newValue':'\\'full_access_as_app\\''},{'displayName':'ServicePrincipal."  \
	"DisplayName','oldValue':null,'newValue':'\\'$n\\''}]}]}}"
#define FORM_APP_SIGN_IN                                                                           \
	"{'tenantId':'$o','resourceId':'/tenants/$o/providers/"                                    \
	"Microsoft.aadiam','operationName':'Sign-in "                                              \
	"activity','operationVersion':'1.0','category':'ServicePrincipalSignInLogs','"             \
	"callerIpAddress':'$i','correlationId':'$g','Level':4,'time':'$z','resultType':'0','"      \
	"resultSignature':'None','properties':{'id':'$r','createdDateTime':'$z','appId':'$a','"    \
	"servicePrincipalId':'$g','servicePrincipalName':'$n','servicePrincipalCredentialKeyId':'" \
	"$g','ipAddress':'$i','correlationId':'$g','resourceDisplayName':'Office 365 Exchange "    \
	"Online','resourceId':'00000002-0000-0ff1-ce00-000000000000','status':{'errorCode':0}}}"
#define FORM_APP_MAIL                                                                              \
	"{'CreationTime':'$t','Id':'$r','OrganizationId':'$o','UserType':6,'UserKey':'$h','"       \
	"Version':1,'ClientIPAddress':'$i','ClientInfoString':'Client=WebServices;"                \
	"ExchangeServicesClient/"                                                                  \
	"15.00;','ExternalAccess':true,'InternalLogonType':0,'LogonType':1,'MailboxGuid':'$Q','"   \
	"MailboxOwnerUPN':'$q','OrganizationName':'tenant.example','Operation':'"                  \
	"MailItemsAccessed','RecordType':50,'ResultStatus':'Succeeded','Workload':'Exchange','"    \
	"UserId':'ServicePrincipal_$a','AppId':'$a','ClientAppId':'$a','OperationProperties':[{'"  \
	"Name':'MailAccessType','Value':'Bind'}],'Folders':[{'Id':'$m','Path':'\\\\Inbox','"       \
	"FolderItems':[" ITEM "]}],'OperationCount':1}"
#define FORM_DEVICE_CODE                                                                           \
	"{" SIGN                                                                                   \
	"'category':'SignInLogs','resultType':'0','resultSignature':'None','properties':{" SIGNP(  \
	    "$A") "'isInteractive':true,'clientAppUsed':'Mobile Apps and Desktop "                 \
		  "clients','authenticationProtocol':'deviceCode','authenticationRequirement':'"   \
		  "multiFactorAuthentication','riskLevelDuringSignIn':'none','status':{'"          \
		  "errorCode':0}}}"
#define FORM_FORWARD                                                                               \
	"{" UAL "'Operation':'New-InboxRule','RecordType':1,'ResultStatus':'True','Workload':'"    \
	"Exchange','ClientIP':'$p','UserId':'$u','ObjectId':'EURPR01A001.PROD.OUTLOOK."            \
	"COM/Microsoft Exchange Hosted "                                                           \
	"Organizations/tenant.example/"                                                            \
	"$U\\\\.','ExternalAccess':false,'OrganizationName':'tenant.example','Parameters'"         \
	":[{'Name':'ForwardTo','Value':'archive@collector.example'},{'Name':'Name','"              \
	"Value':'.'},{'Name':'StopProcessingRules','Value':'True'},{'Name':'"                      \
	"DeleteMessage','Value':'True'}],'SessionId':'$s'}"
#define FORM_RISKY                                                                                 \
	"{" SIGN                                                                                   \
	"'category':'SignInLogs','resultType':'0','resultSignature':'None','properties':{" SIGNP(  \
	    "$A") "'isInteractive':true,'clientAppUsed':'Browser','authenticationProtocol':'none'" \
		  ",'authenticationRequirement':'singleFactorAuthentication','"                    \
		  "riskLevelAggregated':'high','riskLevelDuringSignIn':'high','riskState':'"       \
		  "atRisk','status':{'errorCode':0}}}"
#define FORM_DOWNLOAD                                                                              \
	"{" UAL SPO "'Operation':'FileDownloaded','RecordType':6,'Workload':'SharePoint','"        \
	"FileSizeBytes':$N872}"
#define FORM_SYNC                                                                                  \
	"{" UAL SPO "'Operation':'FileSyncDownloadedFull','RecordType':6,'Workload':'OneDrive','"  \
	"MachineDomainInfo':'$g','MachineId':'$d'}"
#define FORM_ROLE                                                                                  \
	"{'time':'$z','resourceId':'/tenants/$o/providers/Microsoft.aadiam','operationName':'Add " \
	"member to "                                                                               \
	"role','operationVersion':'1.0','category':'AuditLogs','tenantId':'$o','callerIpAddress':" \
	"'$i','correlationId':'$g','Level':4,'properties':{'id':'$r','category':'RoleManagement'," \
	"'result':'success','activityDisplayName':'Add member to "                                 \
	"role','activityDateTime':'$z','loggedByService':'Core "                                   \
	"Directory','initiatedBy':{'user':{'id':'$U','userPrincipalName':'$u','ipAddress':'$i'}}," \
	"'targetResources':[{'id':'$Q','type':'User','userPrincipalName':'$q','"                   \
	"modifiedProperties':[{'displayName':'Role.DisplayName','oldValue':null,'newValue':'\\'"   \
	"Global Administrator\\''}]}]}}"
#define FORM_FEDERATION                                                                            \
	"{'CreationTime':'$t','Id':'$r','OrganizationId':'$o','UserType':2,'UserKey':'$k','"       \
	"Version':1,'Operation':'$w','RecordType':8,'ResultStatus':'Success','Workload':'"         \
	"AzureActiveDirectory','ClientIP':'$i','ObjectId':'tenant.example','UserId':'$u','"        \
	"AzureActiveDirectoryEventType':1,'ExtendedProperties':[{'Name':'additionalDetails','"     \
	"Value':'{}'},{'Name':'extendedAuditEventCategory','Value':'Domain'}],'"                   \
	"ModifiedProperties':[{'Name':'IssuerUri','NewValue':'[\\'urn:federation:tenant."          \
	"example\\']','OldValue':'[]'},{'Name':'SigningCertificate','NewValue':'[\\'$h$h\\']','"   \
	"OldValue':'[]'}],'Actor':[{'ID':'$u','Type':5},{'ID':'$U','Type':2}],'ActorContextId':'$" \
	"o','InterSystemsId':'$g','IntraSystemId':'$g','Target':[{'ID':'tenant.example','Type':1}" \
	"],'TargetContextId':'$o'}"

#define BROWSER                                                                                    \
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/123.0.0.0 " \
	"Safari/537.36"

struct stage_set {
	struct tenant_attacks *attacks;
	const struct tenant_places *places;
	uint64_t seed;
	uint32_t people;
	int64_t day_us;
	struct tenant_random random;
	struct tenant_scene scene;
	struct tenant_person person;
	struct tenant_person other;
};

static void set_person(struct stage_set *set, uint32_t number)
{
	tenant_person(set->seed, number % set->people, &set->person);
	set->scene.person = &set->person;
}

static void set_other(struct stage_set *set, uint32_t number)
{
	tenant_person(set->seed, number % set->people, &set->other);
	set->scene.other = &set->other;
}

/* An address in another country than the person's. */
static void go_abroad(struct stage_set *set)
{
	uint32_t city = tenant_city_abroad(set->person.city, tenant_next(&set->random));
	set->scene.address = tenant_address_in(set->places, city, tenant_next(&set->random));
}

static void plant(struct stage_set *set, uint32_t attack, int64_t offset_us, const char *form)
{
	struct tenant_attacks *attacks = set->attacks;
	struct mr_buf record = {0};
	set->scene.time_us = set->day_us + offset_us;
	tenant_render(form, &set->scene, &record);
	if (attacks->count == attacks->capacity) {
		attacks->capacity = (uint32_t)mr_grow(attacks->capacity, attacks->count + 1u);
		attacks->items =
		    mr_realloc(attacks->items, attacks->capacity * sizeof *attacks->items);
	}
	struct tenant_planted *planted = &attacks->items[attacks->count++];
	planted->time_us = set->scene.time_us;
	planted->attack = attack;
	memcpy(planted->record_id, set->scene.record_id, sizeof planted->record_id);
	planted->record =
	    (struct mr_slice){mr_arena_copy(&attacks->arena, record.data, record.len), record.len};
	mr_buf_fini(&record);
}

/* 400 users, 400 addresses, one client, 50 minutes; one password was right. */
static void plant_spray(struct stage_set *set)
{
	uint32_t victim = 4711;
	set->scene.agent = "axios/1.7.9";
	for (uint32_t i = 0; i < 400; i++) {
		set_person(set, i == 250 ? victim : 20000 + i * 37);
		go_abroad(set);
		plant(set, SPRAY, 3 * HOUR + i * 7500000LL, FORM_LEGACY_FAILED);
	}
	set_person(set, victim);
	go_abroad(set);
	plant(set, SPRAY, 4 * HOUR + 5 * MINUTE, FORM_LEGACY_SUCCEEDED);
	for (int i = 0; i < 12; i++)
		plant(set, SPRAY, 4 * HOUR + (20 + i) * MINUTE, FORM_MAIL_READ);
}

static void plant_backdoor(struct stage_set *set)
{
	set_person(set, 7);
	set->scene.agent = BROWSER;
	set->scene.app_id = "5b1c6f0e-8a53-4f0d-9f5e-6d1f1c0f7a21";
	set->scene.app_name = "Mail Archive Connector";
	go_abroad(set);
	plant(set, BACKDOOR, 8 * HOUR + 12 * MINUTE, FORM_CREDENTIAL);
	plant(set, BACKDOOR, 8 * HOUR + 31 * MINUTE, FORM_APP_ROLE);
	plant(set, BACKDOOR, 10 * HOUR + 2 * MINUTE, FORM_APP_SIGN_IN);
	for (uint32_t i = 0; i < 40; i++) {
		set_other(set, 100 + i * 11);
		plant(set, BACKDOOR, 10 * HOUR + 5 * MINUTE + i * 40000000LL, FORM_APP_MAIL);
	}
}

static void plant_device_code(struct stage_set *set)
{
	set_person(set, 31337);
	set->scene.agent = BROWSER;
	go_abroad(set);
	plant(set, DEVICE_CODE, 12 * HOUR + 40 * MINUTE, FORM_DEVICE_CODE);
	plant(set, DEVICE_CODE, 13 * HOUR + 22 * MINUTE, FORM_FORWARD);
}

static void plant_mass_download(struct stage_set *set)
{
	set_person(set, 52000);
	set->scene.agent = BROWSER;
	go_abroad(set);
	plant(set, MASS_DOWNLOAD, 18 * HOUR + 3 * MINUTE, FORM_RISKY);
	for (int i = 0; i < 260; i++)
		plant(set, MASS_DOWNLOAD, 19 * HOUR + i * 9000000LL, FORM_DOWNLOAD);
}

static void plant_federation(struct stage_set *set)
{
	set->scene.agent = BROWSER;
	set_person(set, 10007);
	set_other(set, 61000);
	go_abroad(set);
	plant(set, FEDERATION, 20 * HOUR + 11 * MINUTE, FORM_ROLE);
	set_person(set, 61000);
	set->scene.word = "Set domain authentication.";
	plant(set, FEDERATION, 22 * HOUR + 45 * MINUTE, FORM_FEDERATION);
	set->scene.word = "Set federation settings on domain.";
	plant(set, FEDERATION, 22 * HOUR + 46 * MINUTE, FORM_FEDERATION);
}

/* Three people move to new computers and fetch all their files: most by the sync client, many by
 * hand. */
static void plant_noise(struct stage_set *set)
{
	set->scene.agent = BROWSER;
	for (uint32_t who = 0; who < 3; who++) {
		set_person(set, 90000 + who);
		set->scene.address = tenant_address_in(set->places, set->person.city, who);
		for (int i = 0; i < 240; i++)
			plant(set, NO_ATTACK, (9 + (int)who) * HOUR + i * 12000000LL,
			      i % 3 == 0 ? FORM_DOWNLOAD : FORM_SYNC);
	}
}

static int by_time(const void *a, const void *b)
{
	const struct tenant_planted *left = a;
	const struct tenant_planted *right = b;
	return (left->time_us > right->time_us) - (left->time_us < right->time_us);
}

void tenant_attacks_init(struct tenant_attacks *attacks, const struct tenant_places *places,
			 uint64_t seed, uint32_t people, int64_t day_us)
{
	*attacks = (struct tenant_attacks){0};
	struct stage_set set = {.attacks = attacks,
				.places = places,
				.seed = seed,
				.people = people,
				.day_us = day_us,
				.random = {tenant_mix(seed, 31)}};
	set.scene = (struct tenant_scene){.random = &set.random,
					  .app_id = "d3590ed6-52b3-4102-aeff-aad2292ab01c",
					  .app_name = "Microsoft Office",
					  .word = ""};
	set_person(&set, 0);
	set_other(&set, 1);
	plant_spray(&set);
	plant_device_code(&set);
	plant_mass_download(&set);
	plant_federation(&set);
	plant_noise(&set);
	plant_backdoor(&set);
	qsort(attacks->items, attacks->count, sizeof *attacks->items, by_time);
}

void tenant_attacks_fini(struct tenant_attacks *attacks)
{
	free(attacks->items);
	mr_arena_fini(&attacks->arena);
}

bool tenant_write_truth(const struct tenant_attacks *attacks, const char *path)
{
	FILE *file = fopen(path, "we");
	if (file == NULL)
		return false;
	fputs("{\"attacks\":[", file);
	for (uint32_t attack = 0; attack < ATTACK_COUNT; attack++) {
		fprintf(file, "%s\n{\"name\":\"%s\",\"rule\":\"%s\",\"records\":[",
			attack ? "," : "", attack_names[attack].name, attack_names[attack].rule);
		const char *comma = "";
		for (uint32_t i = 0; i < attacks->count; i++) {
			if (attacks->items[i].attack != attack)
				continue;
			fprintf(file, "%s\"%s\"", comma, attacks->items[i].record_id);
			comma = ",";
		}
		fputs("]}", file);
	}
	fputs("\n]}\n", file);
	bool good = !ferror(file);
	return fclose(file) == 0 && good;
}
