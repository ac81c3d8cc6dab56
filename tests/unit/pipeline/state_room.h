/* state_room.h - a state directory that is open, for one test: cmocka's set-up `begin`, and `end`,
 * which ends the faults of its calls, too. */
#ifndef MILLRACE_TEST_STATE_ROOM_H
#define MILLRACE_TEST_STATE_ROOM_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "os_faults.h"
#include "state_dir.h"

static struct mr_state_dir dir;
static char place[64];

static inline int begin(void **state)
{
	(void)state;
	snprintf(place, sizeof place, "/tmp/mr-state-XXXXXX");
	assert_non_null(mkdtemp(place));
	assert_int_equal(mr_state_dir_open(place, &dir, NULL), MR_OK);
	return 0;
}

static inline int end(void **state)
{
	char command[128];
	(void)state;
	os_faults_end();
	mr_state_dir_close(&dir);
	snprintf(command, sizeof command, "rm -rf %s", place);
	return system(command);
}

#endif
