/* cmd.h - the commands of the program; each in its own cmd_*.c, called by main.c.
 *
 * argv[0] is the command's name. They return the exit status: 0 done, 1 the work failed, 2 the
 * command or the files it names are wrong. */
#ifndef MILLRACE_CMD_H
#define MILLRACE_CMD_H

int cmd_check(int argc, char **argv);
int cmd_demo(int argc, char **argv);
int cmd_keys(int argc, char **argv);
int cmd_ledger(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_scan(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_version(int argc, char **argv);

#endif
