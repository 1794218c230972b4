/* Starting and ending the environment abstraction layer; threads. */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_version.h>

/*
 * net_tap asks for a queued real-time signal per packet. When the queue of
 * signals is full the kernel sends SIGIO instead, whose default is to end the
 * process.
 */
static void
ignore_sigio(void)
{
	struct sigaction action;

	if (sigaction(SIGIO, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
		action = (struct sigaction){ .sa_handler = SIG_IGN };
		sigaction(SIGIO, &action, NULL);
	}
}

int
mpdk_eal_start(int argc, char **argv)
{
	cpu_set_t before;
	int saved;
	int result;

	ignore_sigio();
	/*
	 * rte_eal_init pins the calling thread, and threads started later would
	 * inherit that: every engine thread on one CPU.
	 */
	saved = pthread_getaffinity_np(pthread_self(), sizeof(before), &before);
	result = rte_eal_init(argc, argv);
	if (result < 0)
		result = rte_errno != 0 ? -rte_errno : -EINVAL;
	else
		result = 0;
	if (saved == 0)
		pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
	return result;
}

int
mpdk_eal_cleanup(void)
{
	int result = rte_eal_cleanup();

	return result == -1 ? -rte_errno : result;
}

const char *
mpdk_version(void)
{
	return rte_version();
}

const char *
mpdk_runtime_folder(void)
{
	return rte_eal_get_runtime_dir();
}

int
mpdk_thread_register(void)
{
	/* Asked twice, DPDK would give the thread a second id. */
	if (rte_lcore_id() != LCORE_ID_ANY)
		return 1;
	return rte_thread_register() == 0 ? 0 : -rte_errno;
}

void
mpdk_thread_unregister(void)
{
	rte_thread_unregister();
}

int
mpdk_thread_lcore(void)
{
	unsigned int lcore = rte_lcore_id();

	return lcore == LCORE_ID_ANY ? -1 : (int)lcore;
}

bool
mpdk_has_node(int node)
{
	unsigned int i;

	for (i = 0; i < rte_socket_count(); i++) {
		if (rte_socket_id_by_idx(i) == node)
			return true;
	}
	return false;
}
