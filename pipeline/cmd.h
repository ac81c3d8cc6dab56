/* cmd.h - the pipeline's own commands; each in its own cmd_*.c, called by main.c. */
#ifndef MILLRACE_CMD_H
#define MILLRACE_CMD_H

#include "millrace/option.h"
#include "millrace/stage.h"

extern const struct mr_command mr_command_check, mr_command_completion, mr_command_demo,
    mr_command_keys, mr_command_ledger, mr_command_run, mr_command_scan, mr_command_status,
    mr_command_version;

#endif
