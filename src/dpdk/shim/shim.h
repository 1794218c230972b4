/*
 * The page of names between Rust and DPDK. Nothing here depends on a DPDK
 * header, so that the Rust side is the same for every DPDK release; loops over
 * packets stay on the C side, and Rust crosses once per burst.
 *
 * Functions that can fail return 0 (or a count) and otherwise a negative errno.
 */
#ifndef MPDK_SHIM_H
#define MPDK_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rte_device;
struct rte_flow;
struct rte_mbuf;
struct rte_mempool;
struct rte_memzone;

/* ---- log.c ---- */

/* Levels are those of rte_log.h: 4 error, 5 warning, 6 notice, 7 info, 8 debug. */
typedef void (*mpdk_log_sink)(uint32_t level, const char *text, size_t len);

/* Every line DPDK logs goes to `sink`, and to no terminal or syslog. */
int mpdk_log_route(mpdk_log_sink sink);

/* ---- eal.c ---- */

int mpdk_eal_start(int argc, char **argv);
int mpdk_eal_cleanup(void);
const char *mpdk_version(void);
/* The folder of this process's runtime files. */
const char *mpdk_runtime_folder(void);
/* Gives the calling thread an lcore id; 1 if it has one already. */
int mpdk_thread_register(void);
void mpdk_thread_unregister(void);
/* The calling thread's lcore id; -1 if it has none. */
int mpdk_thread_lcore(void);
/* Whether the machine has this NUMA node. */
bool mpdk_has_node(int node);

/* ---- memory.c ---- */

struct mpdk_page {
	uint64_t address;
	uint64_t len;
	uint64_t iova;
	uint64_t fd_offset;
	int fd;
};

/* Memory for packets, contiguous as devices see it. */
struct mpdk_extent {
	uint64_t address;
	uint64_t iova;
	uint64_t len;
};

/* The size of the pages that EAL memory consists of. */
uint64_t mpdk_page_bytes(void);
/* Here and below `node` is a NUMA node, -1 for any. */
const struct rte_memzone *mpdk_zone_reserve(const char *name, size_t len, size_t align, int node,
					    int *error);
void *mpdk_zone_address(const struct rte_memzone *zone);
int mpdk_zone_free(const struct rte_memzone *zone);
/* The page that `address` lies in. */
int mpdk_page_of(const void *address, struct mpdk_page *page);

struct rte_mempool *mpdk_pool_ordinary(const char *name, uint32_t count, uint32_t cache,
				       uint16_t data_room, int node, int *error);
/* Buffers whose payload lies in `extents`, one every `stride` bytes. */
struct rte_mempool *mpdk_pool_pinned(const char *name, uint32_t count, uint32_t cache,
				     uint16_t data_room, uint16_t stride, int node,
				     const struct mpdk_extent *extents, uint32_t extent_count,
				     int *error);
void mpdk_pool_free(struct rte_mempool *pool);
/* A range that holds every buffer; false if there is none. */
bool mpdk_pool_memory(struct rte_mempool *pool, struct mpdk_extent *extent);
uint32_t mpdk_pool_available(const struct rte_mempool *pool);
/* Buffers in the calling thread's cache; 0 if it has none. */
uint32_t mpdk_pool_cached(struct rte_mempool *pool);
uint16_t mpdk_headroom(void);

/* ---- mbuf.c ---- */

struct mpdk_piece {
	const uint8_t *data;
	uint32_t len;
};

struct mpdk_segment {
	const uint8_t *data;
	uint32_t len;
	struct rte_mbuf *next;
};

struct mpdk_offload {
	uint16_t segment_bytes;
	uint8_t l2_bytes;
	uint8_t l3_bytes;
	uint8_t l4_bytes;
	bool ip_checksum;
	bool tcp_checksum;
	bool ipv6;
};

void mpdk_mbuf_segment(const struct rte_mbuf *mbuf, struct mpdk_segment *segment);
/* Adds a reference to every segment; false if there are too many. */
bool mpdk_mbuf_share(struct rte_mbuf *mbuf);
void mpdk_mbuf_free(struct rte_mbuf *mbuf);
void mpdk_mbuf_free_bulk(struct rte_mbuf **mbufs, uint32_t count);
/* Whether the caller holds the only reference to every segment and its bytes. */
bool mpdk_mbuf_exclusive(const struct rte_mbuf *mbuf);
/*
 * Chains `tail`, of which only `tail_len` bytes at `tail_data` stay, behind
 * `last`, the last buffer of `chain`, of whose first buffer only `head_len` bytes
 * at `head` stay. False, and nothing done, if either is held by somebody else,
 * `tail` or an unfinished `chain` has several buffers, or there are too many.
 */
bool mpdk_mbuf_append(struct rte_mbuf *chain, const uint8_t *head, uint32_t head_len,
		      struct rte_mbuf *last, struct rte_mbuf *tail, const uint8_t *tail_data,
		      uint32_t tail_len);
/* A buffer all of whose bytes are the packet's, or NULL. */
struct rte_mbuf *mpdk_mbuf_whole(struct rte_mempool *pool);
/* A frame with a copy of `pieces`, over as many segments as it takes. */
struct rte_mbuf *mpdk_frame_new(struct rte_mempool *pool, const struct mpdk_piece *pieces,
				uint32_t count);
/* Appends copies; -ENOMEM leaves the frame whole but unfinished. */
int mpdk_frame_append(struct rte_mempool *pool, struct rte_mbuf *frame,
		      const struct mpdk_piece *pieces, uint32_t count);
/* Appends the segments of `tail`, whose reference goes over to `frame`. */
int mpdk_frame_chain(struct rte_mbuf *frame, struct rte_mbuf *tail);
/* Bytes of a frame: in a buffer, to be held by reference, or to be copied. */
struct mpdk_part {
	/* NULL: copy. */
	struct rte_mbuf *buffer;
	const uint8_t *data;
	uint32_t len;
};
enum { MPDK_STASH = 32 };

/* Buffers of `pool` that were taken out ahead of need. For one thread. */
struct mpdk_stash {
	struct rte_mempool *pool;
	uint32_t count;
	struct rte_mbuf *mbufs[MPDK_STASH];
};

/* Gives back what is left. */
void mpdk_stash_empty(struct mpdk_stash *stash);

/*
 * A frame of a copied header and these parts, and what the driver shall fill
 * in; NULL, and in `error` ENOMEM (buffers lack) or E2BIG (more than
 * `max_segments`, or headers are not where the offload says).
 */
struct rte_mbuf *mpdk_frame_build(struct mpdk_stash *stash, const uint8_t *header,
				  uint32_t header_len, const struct mpdk_part *parts,
				  uint32_t count, uint16_t max_segments,
				  const struct mpdk_offload *offload, int *error);

/* What a port does with frames that are forwarded to it. */
struct mpdk_forward {
	uint32_t max_bytes;
	uint16_t max_segments;
	bool tcp_checksum;
	bool cuts_ipv4;
	bool cuts_ipv6;
};

/*
 * Makes a received frame one to send: what the receiving driver said of it
 * becomes what the sending one shall do, or is done here. -EMSGSIZE if the port
 * cannot carry it, -EINVAL if its headers are not where they should be.
 */
int mpdk_frame_forward(struct rte_mbuf *frame, const struct mpdk_forward *port);

uint16_t mpdk_frame_segments(const struct rte_mbuf *frame);
uint32_t mpdk_frame_bytes(const struct rte_mbuf *frame);

/* ---- burst.c ---- */

enum { MPDK_CHECKSUM_UNKNOWN = 0, MPDK_CHECKSUM_GOOD = 1, MPDK_CHECKSUM_BAD = 2 };

struct mpdk_received {
	struct rte_mbuf *mbuf;
	const uint8_t *data;
	uint32_t data_len;
	uint32_t packet_len;
	uint16_t segments;
	uint16_t vlan;
	bool vlan_stripped;
	uint8_t ip_checksum;
	uint8_t l4_checksum;
};

enum { MPDK_BURST = 64 };

/* Receives up to `max` frames, at most MPDK_BURST. */
uint16_t mpdk_receive_burst(uint16_t port, uint16_t queue, struct mpdk_received *out, uint16_t max);
/*
 * Lets the driver look at frames before they are sent. Returns how many
 * are ready; the one behind them can never be sent.
 */
uint16_t mpdk_transmit_prepare(uint16_t port, uint16_t queue, struct rte_mbuf **frames,
			       uint16_t count);
uint16_t mpdk_transmit_burst(uint16_t port, uint16_t queue, struct rte_mbuf **frames,
			     uint16_t count);
/* Frees sent frames that the port has read; -ENOTSUP if the driver cannot be asked. */
int mpdk_transmit_reclaim(uint16_t port, uint16_t queue);

/* ---- port.c ---- */

enum {
	MPDK_RX_IP_CHECKSUM = 1 << 0,
	MPDK_RX_L4_CHECKSUM = 1 << 1,
	MPDK_RX_SCATTER = 1 << 2,
	MPDK_RX_LRO = 1 << 3,
	MPDK_TX_IP_CHECKSUM = 1 << 4,
	MPDK_TX_TCP_CHECKSUM = 1 << 5,
	MPDK_TX_MULTI_SEGMENT = 1 << 6,
	MPDK_TX_TCP_SEGMENTATION = 1 << 7,
};

struct mpdk_port_info {
	char driver[64];
	struct rte_device *device;
	uint32_t offloads;
	uint32_t interface_index;
	uint32_t max_packet_bytes;
	uint16_t min_mtu;
	/* Already what a frame's length limit leaves. */
	uint16_t max_mtu;
	uint16_t max_receive_queues;
	uint16_t max_transmit_queues;
	uint16_t max_segments;
	bool hashes_tcp;
};

enum { MPDK_HASH_KEY = 40 };

struct mpdk_port_setup {
	uint32_t offloads;
	uint16_t queues;
	uint16_t mtu;
	bool hash;
	bool interrupts;
	uint8_t hash_key[MPDK_HASH_KEY];
};

struct mpdk_port_counts {
	uint64_t receive_missed;
	uint64_t receive_errors;
	uint64_t receive_no_buffer;
	uint64_t transmit_errors;
};

/* Attaches a device by its devargs ("net_tap0,iface=x"). */
int mpdk_device_attach(const char *devargs);
int mpdk_device_detach(struct rte_device *device);
int mpdk_port_by_name(const char *name, uint16_t *port);
/* The NUMA node that the port is connected to; -1 if it has none. */
int mpdk_port_node(uint16_t port);
int mpdk_port_info(uint16_t port, struct mpdk_port_info *info);
int mpdk_port_configure(uint16_t port, const struct mpdk_port_setup *setup);
/* Rounds to what the port takes. */
int mpdk_port_adjust_descriptors(uint16_t port, uint16_t *receive, uint16_t *transmit);
int mpdk_port_receive_queue(uint16_t port, uint16_t queue, uint16_t descriptors,
			    struct rte_mempool *pool);
/*
 * `free_threshold`: the driver gives back sent frames when fewer descriptors than
 * this are free; 0 leaves that to the driver.
 */
int mpdk_port_transmit_queue(uint16_t port, uint16_t queue, uint16_t descriptors,
			     uint16_t free_threshold);
int mpdk_port_set_mtu(uint16_t port, uint16_t mtu);
int mpdk_port_mac(uint16_t port, uint8_t mac[6]);
int mpdk_port_set_mac(uint16_t port, const uint8_t mac[6]);
int mpdk_port_start(uint16_t port);
int mpdk_port_stop(uint16_t port);
int mpdk_port_close(uint16_t port);
int mpdk_port_promiscuous(uint16_t port);
int mpdk_port_all_multicast(uint16_t port);
/* 1 up, 0 down. */
int mpdk_port_link(uint16_t port);
int mpdk_port_counts(uint16_t port, struct mpdk_port_counts *counts);
int mpdk_port_interrupt_fd(uint16_t port, uint16_t queue);
int mpdk_port_interrupt_enable(uint16_t port, uint16_t queue);
int mpdk_port_interrupt_disable(uint16_t port, uint16_t queue);

/* ---- hash.c ---- */

enum { MPDK_SPREAD_ENTRIES = 4096 };

/* How a port chooses the queue of a received TCP segment. */
struct mpdk_spread {
	/* Both over the 4-tuple. */
	bool tcp_ipv4;
	bool tcp_ipv6;
	uint8_t key[MPDK_HASH_KEY];
	/* The queue of each entry, of which there are a power of two. */
	uint32_t entries;
	uint16_t queues[MPDK_SPREAD_ENTRIES];
};

/* What the driver of a started port reports. */
int mpdk_port_spread(uint16_t port, struct mpdk_spread *spread);
/* Hashing with this key, of a started port. */
int mpdk_port_set_hash_key(uint16_t port, const uint8_t key[MPDK_HASH_KEY]);
/* The entries of a started port to its queues in turn. */
int mpdk_port_set_even_spread(uint16_t port, uint16_t queues);

/* ---- flow.c ---- */

/* TCP segments that a port receives. Addresses of IPv4 have 4 bytes; ports are numbers. */
struct mpdk_flow_tuple {
	bool ipv6;
	uint8_t source[16];
	uint8_t destination[16];
	uint16_t source_port;
	uint16_t destination_port;
};

enum { MPDK_FLOW_ERROR = 160 };

/* Each writes to `error` what the driver says if it fails. */
int mpdk_flow_validate(uint16_t port, const struct mpdk_flow_tuple *tuple, uint16_t queue,
		       char error[MPDK_FLOW_ERROR]);
int mpdk_flow_create(uint16_t port, const struct mpdk_flow_tuple *tuple, uint16_t queue,
		     struct rte_flow **flow, char error[MPDK_FLOW_ERROR]);
int mpdk_flow_destroy(uint16_t port, struct rte_flow *flow, char error[MPDK_FLOW_ERROR]);

#endif
