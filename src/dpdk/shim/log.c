/* Where DPDK's log lines go. */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <stdio.h>

#include <rte_log.h>

static mpdk_log_sink log_sink;

static ssize_t
log_write(void *cookie, const char *text, size_t len)
{
	(void)cookie;
	log_sink((uint32_t)rte_log_cur_msg_loglevel(), text, len);
	return (ssize_t)len;
}

int
mpdk_log_route(mpdk_log_sink sink)
{
	cookie_io_functions_t functions = { .write = log_write };
	FILE *stream;

	log_sink = sink;
	stream = fopencookie(NULL, "w", functions);
	if (stream == NULL)
		return -errno;
	return rte_openlog_stream(stream);
}
