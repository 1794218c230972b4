/* What port.c and hash.c share. */
#ifndef MPDK_HASH_H
#define MPDK_HASH_H

#include <stdint.h>

#include <rte_ethdev.h>

/* The longest key that a driver is given. */
#define MPDK_LONGEST_HASH_KEY 64

/*
 * Hashing of TCP 4-tuples, as far as the port offers it, with our key, which
 * is written to `room` as long as the driver wants it.
 */
void mpdk_hash_conf(const struct rte_eth_dev_info *info, const uint8_t *key,
		    uint8_t room[MPDK_LONGEST_HASH_KEY], struct rte_eth_rss_conf *conf);

#endif
