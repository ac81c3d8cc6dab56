/* cmd_completion.c - `millrace completion`: a shell's completion of all commands and options.
 *
 * Made from the table of commands (cmd_table.c) and the tables of options by which they are read.
 * Each script finds out where in the tree of commands the line is, as a text such as
 * " rules check", and offers what stands there. */
#include <getopt.h>
#include <string.h>

#include "cmd.h"
#include "millrace/log.h"

#define PATH_MAX_BYTES 128

static const char completion_usage[] =
    "usage: millrace completion bash|zsh|fish\n"
    "\n"
    "Writes the shell's completion of all commands and options to standard output:\n"
    "  bash: eval \"$(millrace completion bash)\", or a file in\n"
    "        /usr/share/bash-completion/completions/millrace\n"
    "  zsh:  a file _millrace in a folder of $fpath\n"
    "  fish: a file millrace.fish in ~/.config/fish/completions\n"
    "\n";
static const char completion_status[] = "\nExit status: 0 done, 1 it could not be written, 2 no "
					"such shell.\n";

static const struct mr_option completion_options[] = {
    MR_OPTION_HELP,
    {0},
};

/* ---- the tree of commands ---- */

struct place {
	const char *path; /* " rules check"; "" is the program */
	unsigned depth;
	const struct mr_option *options;          /* NULL: none */
	const struct mr_command *const *commands; /* NULL: none */
};
typedef void (*visitor)(const struct place *place, struct mr_buf *out);

static void visit(const struct place *place, visitor take, struct mr_buf *out)
{
	take(place, out);
	for (const struct mr_command *const *command = place->commands;
	     command != NULL && *command != NULL; command++) {
		char path[PATH_MAX_BYTES];
		snprintf(path, sizeof path, "%s %s", place->path, (*command)->name);
		const struct place inner = {path, place->depth + 1, (*command)->options,
					    (*command)->commands};
		visit(&inner, take, out);
	}
}

static void visit_all(visitor take, struct mr_buf *out)
{
	const struct place program = {"", 0, NULL, mr_commands};
	visit(&program, take, out);
}

/* ---- what an option takes ---- */

enum takes { TAKES_NOTHING, TAKES_WORDS, TAKES_FILE, TAKES_FOLDER, TAKES_TEXT };

static enum takes takes_of(const char *argument)
{
	if (argument == NULL)
		return TAKES_NOTHING;
	if (strcmp(argument, "DIR") == 0)
		return TAKES_FOLDER;
	if (strncmp(argument, "FILE", 4) == 0)
		return TAKES_FILE;
	return strspn(argument, "abcdefghijklmnopqrstuvwxyz|") == strlen(argument) ? TAKES_WORDS
										   : TAKES_TEXT;
}

static void put_words(const char *list, struct mr_buf *out)
{
	for (; *list != '\0'; list++)
		mr_buf_add(out, *list == '|' ? " " : list, 1);
}

/* In single quotes for the shell: `special` are escaped with a backslash, for whoever reads the
 * word then. */
static void put_quoted(const char *text, const char *special, bool fish, struct mr_buf *out)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			mr_buf_add_text(out, fish ? "\\'" : "'\\''");
		else if (fish && *text == '\\')
			mr_buf_add_text(out, "\\\\");
		else if (strchr(special, *text) != NULL)
			mr_buf_printf(out, "\\%c", *text);
		else
			mr_buf_add(out, text, 1);
	}
}

/* ---- bash ---- */

static void put_path(const struct place *place, struct mr_buf *out)
{
	if (place->depth > 0)
		mr_buf_printf(out, "\t\t'%s') at=\"$at ${COMP_WORDS[i]}\" ;;\n", place->path);
}

static void put_bash_argument(const struct place *place, struct mr_buf *out)
{
	for (const struct mr_option *option = place->options;
	     option != NULL && option->name != NULL; option++) {
		const struct mr_option whole = mr_option_whole(option);
		enum takes takes = takes_of(whole.argument);
		if (takes == TAKES_NOTHING)
			continue;
		mr_buf_printf(out, "\t'%s --%s'", place->path, option->name);
		if (option->letter != 0)
			mr_buf_printf(out, " | '%s -%c'", place->path, option->letter);
		mr_buf_add_text(out, ") ");
		if (takes == TAKES_WORDS) {
			mr_buf_add_text(out, "_millrace_words '");
			put_words(whole.argument, out);
			mr_buf_add_text(out, "' ");
		}
		if (takes == TAKES_FILE || takes == TAKES_FOLDER)
			mr_buf_printf(out, "_millrace_files -%c ", takes == TAKES_FILE ? 'f' : 'd');
		mr_buf_add_text(out, takes == TAKES_TEXT ? "return ;;\n" : "; return ;;\n");
	}
}

static void put_bash_place(const struct place *place, struct mr_buf *out)
{
	mr_buf_printf(out, "\t'%s') words='", place->path);
	for (const struct mr_command *const *command = place->commands;
	     command != NULL && *command != NULL; command++)
		mr_buf_printf(out, "%s ", (*command)->name);
	for (const struct mr_option *option = place->options;
	     option != NULL && option->name != NULL; option++) {
		mr_buf_printf(out, "--%s ", option->name);
		if (option->letter != 0)
			mr_buf_printf(out, "-%c ", option->letter);
	}
	mr_buf_printf(out, "%s' files=%s ;;\n", place->options == NULL ? "--help" : "",
		      place->commands == NULL ? "yes" : "");
}

static void put_bash(struct mr_buf *out)
{
	mr_buf_add_text(out, "# bash completion for millrace (millrace completion bash)\n"
			     "_millrace_words()\n{\n"
			     "\tmapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\")\n}\n"
			     "_millrace_files()\n{\n"
			     "\tcompopt -o filenames 2>/dev/null\n"
			     "\tmapfile -t COMPREPLY < <(compgen \"$1\" -- \"$cur\")\n}\n"
			     "_millrace()\n{\n"
			     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} "
			     "prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
			     "\tlocal at='' words='' files='' i\n"
			     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
			     "\t\tcase \"$at ${COMP_WORDS[i]}\" in\n");
	visit_all(put_path, out);
	mr_buf_add_text(out, "\t\tesac\n\tdone\n\tCOMPREPLY=()\n\tcase \"$at $prev\" in\n");
	visit_all(put_bash_argument, out);
	mr_buf_add_text(out, "\tesac\n\tcase \"$at\" in\n");
	visit_all(put_bash_place, out);
	mr_buf_add_text(out, "\tesac\n"
			     "\tif [[ -z $files || $cur == -* ]]; then\n"
			     "\t\t_millrace_words \"$words\"\n"
			     "\telse\n"
			     "\t\t_millrace_files -f\n"
			     "\tfi\n}\n"
			     "complete -F _millrace millrace\n");
}

/* ---- zsh ---- */

static void put_zsh_path(const struct place *place, struct mr_buf *out)
{
	if (place->depth > 0)
		mr_buf_printf(out, "\t\t('%s') at=\"$at ${words[i]}\" ;;\n", place->path);
}

static void put_zsh_option(const struct mr_option *option, struct mr_buf *out)
{
	const struct mr_option whole = mr_option_whole(option);
	enum takes takes = takes_of(whole.argument);
	mr_buf_add_text(out, " \\\n\t\t\t");
	if (option->letter != 0)
		mr_buf_printf(out, "'*'{-%c,--%s}", option->letter, option->name);
	else
		mr_buf_printf(out, "'*--%s'", option->name);
	mr_buf_add_text(out, "'[");
	put_quoted(whole.prose, "[]\\", false, out);
	mr_buf_add_text(out, "]");
	if (takes != TAKES_NOTHING) {
		mr_buf_add_text(out, ":");
		put_quoted(whole.argument, ":\\", false, out);
		mr_buf_add_text(out, ":");
	}
	if (takes == TAKES_WORDS) {
		mr_buf_add_text(out, "(");
		put_words(whole.argument, out);
		mr_buf_add_text(out, ")");
	} else if (takes == TAKES_FILE || takes == TAKES_FOLDER) {
		mr_buf_add_text(out, takes == TAKES_FILE ? "_files" : "_files -/");
	} else if (takes == TAKES_TEXT) {
		mr_buf_add_text(out, " ");
	}
	mr_buf_add_text(out, "'");
}

static void put_zsh_place(const struct place *place, struct mr_buf *out)
{
	mr_buf_printf(out, "\t('%s')\n", place->path);
	if (place->commands != NULL) {
		mr_buf_add_text(out, "\t\tlist=(");
		for (const struct mr_command *const *command = place->commands; *command != NULL;
		     command++) {
			mr_buf_printf(out, "\n\t\t\t'%s:", (*command)->name);
			put_quoted((*command)->summary, ":\\", false, out);
			mr_buf_add_text(out, "'");
		}
		mr_buf_add_text(out, ")\n\t\t_describe command list\n\t\t;;\n");
		return;
	}
	mr_buf_printf(out, "\t\tshift %u words\n\t\t((CURRENT -= %u))\n\t\t_arguments -s",
		      place->depth, place->depth);
	for (const struct mr_option *option = place->options;
	     option != NULL && option->name != NULL; option++)
		put_zsh_option(option, out);
	mr_buf_add_text(out, " \\\n\t\t\t'*:file:_files'\n\t\t;;\n");
}

static void put_zsh(struct mr_buf *out)
{
	mr_buf_add_text(out, "#compdef millrace\n"
			     "# zsh completion for millrace (millrace completion zsh)\n"
			     "_millrace() {\n"
			     "\tlocal at='' i\n"
			     "\tlocal -a list\n"
			     "\tfor ((i = 2; i < CURRENT; i++)); do\n"
			     "\t\tcase \"$at ${words[i]}\" in\n");
	visit_all(put_zsh_path, out);
	mr_buf_add_text(out, "\t\tesac\n\tdone\n\tcase \"$at\" in\n");
	visit_all(put_zsh_place, out);
	mr_buf_add_text(out, "\tesac\n}\n"
			     "if [[ $funcstack[1] == _millrace ]]; then\n\t_millrace \"$@\"\nelse\n"
			     "\tcompdef _millrace millrace\nfi\n");
}

/* ---- fish ---- */

static void put_fish_path(const struct place *place, struct mr_buf *out)
{
	if (place->depth > 0)
		mr_buf_printf(out, " '%s'", place->path);
}

static void begin_fish(const struct place *place, struct mr_buf *out)
{
	mr_buf_printf(out, "complete -c millrace -n '__millrace_at \"%s\"'", place->path);
}

static void end_fish(const char *prose, struct mr_buf *out)
{
	mr_buf_add_text(out, " -d '");
	put_quoted(prose, "", true, out);
	mr_buf_add_text(out, "'\n");
}

static void put_fish_option(const struct place *place, const struct mr_option *option,
			    struct mr_buf *out)
{
	const struct mr_option whole = mr_option_whole(option);
	enum takes takes = takes_of(whole.argument);
	begin_fish(place, out);
	mr_buf_printf(out, " -l %s", option->name);
	if (option->letter != 0)
		mr_buf_printf(out, " -s %c", option->letter);
	if (takes == TAKES_WORDS) {
		mr_buf_add_text(out, " -x -a '");
		put_words(whole.argument, out);
		mr_buf_add_text(out, "'");
	} else if (takes != TAKES_NOTHING) {
		mr_buf_add_text(out, takes == TAKES_FILE ? " -r -F"
				     : takes == TAKES_FOLDER
					 ? " -x -a '(__fish_complete_directories)'"
					 : " -x");
	}
	end_fish(whole.prose, out);
}

static void put_fish_place(const struct place *place, struct mr_buf *out)
{
	for (const struct mr_command *const *command = place->commands;
	     command != NULL && *command != NULL; command++) {
		begin_fish(place, out);
		mr_buf_printf(out, " -f -a %s", (*command)->name);
		end_fish((*command)->summary, out);
	}
	for (const struct mr_option *option = place->options;
	     option != NULL && option->name != NULL; option++)
		put_fish_option(place, option, out);
}

static void put_fish(struct mr_buf *out)
{
	mr_buf_add_text(out, "# fish completion for millrace (millrace completion fish)\n"
			     "function __millrace_at\n"
			     "\tset -l at ''\n"
			     "\tset -l tokens (commandline -opc)\n"
			     "\tfor word in $tokens[2..-1]\n"
			     "\t\tif contains -- \"$at $word\"");
	visit_all(put_fish_path, out);
	mr_buf_add_text(out, "\n\t\t\tset at \"$at $word\"\n\t\tend\n\tend\n"
			     "\ttest \"$at\" = \"$argv[1]\"\nend\n");
	visit_all(put_fish_place, out);
}

/* ---- the command ---- */

static const struct {
	const char *name;
	void (*put)(struct mr_buf *out);
} shells[] = {{"bash", put_bash}, {"zsh", put_zsh}, {"fish", put_fish}};

static int completion_main(int argc, char **argv)
{
	int option = mr_option_next(completion_options, argc, argv);
	if (option != MR_OPTIONS_END && option != MR_OPTIONS_WRONG)
		return mr_help(completion_usage, completion_options, completion_status);
	for (size_t i = 0; option == MR_OPTIONS_END && optind + 1 == argc && i < 3; i++) {
		struct mr_buf out = {0};
		if (strcmp(argv[optind], shells[i].name) != 0)
			continue;
		shells[i].put(&out);
		bool written = fwrite(out.data, 1, out.len, stdout) == out.len;
		mr_buf_fini(&out);
		return written && fflush(stdout) == 0 ? 0 : 1;
	}
	fputs("millrace completion: name bash, zsh or fish\n", stderr);
	return 2;
}

const struct mr_command mr_command_completion = {
    .name = "completion",
    .summary = "a shell's completion of all this: bash, zsh, fish",
    .main = completion_main,
    .options = completion_options,
};
