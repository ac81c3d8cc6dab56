/* cmd_table.c - the table of all commands, those of stages among them. */
#include "cmd.h"

extern const struct mr_command mr_command_identity;
extern const struct mr_command mr_command_rules;

const struct mr_command *const mr_commands[] = {
    &mr_command_check, &mr_command_completion, &mr_command_demo,    &mr_command_identity,
    &mr_command_keys,  &mr_command_ledger,     &mr_command_rules,   &mr_command_run,
    &mr_command_scan,  &mr_command_status,     &mr_command_version, NULL,
};
