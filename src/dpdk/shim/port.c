/* Ports: attaching, configuring, asking, ending. */
#include "shim.h"

#include <errno.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include "hash.h"

struct offload_name {
	uint32_t ours;
	uint64_t theirs;
};

static const struct offload_name receive_offloads[] = {
	{ MPDK_RX_IP_CHECKSUM, RTE_ETH_RX_OFFLOAD_IPV4_CKSUM },
	{ MPDK_RX_L4_CHECKSUM, RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM },
	{ MPDK_RX_SCATTER, RTE_ETH_RX_OFFLOAD_SCATTER },
	{ MPDK_RX_LRO, RTE_ETH_RX_OFFLOAD_TCP_LRO },
};

static const struct offload_name transmit_offloads[] = {
	{ MPDK_TX_IP_CHECKSUM, RTE_ETH_TX_OFFLOAD_IPV4_CKSUM },
	{ MPDK_TX_TCP_CHECKSUM, RTE_ETH_TX_OFFLOAD_TCP_CKSUM },
	{ MPDK_TX_MULTI_SEGMENT, RTE_ETH_TX_OFFLOAD_MULTI_SEGS },
	{ MPDK_TX_TCP_SEGMENTATION, RTE_ETH_TX_OFFLOAD_TCP_TSO },
};

static uint32_t
ours(const struct offload_name *names, size_t count, uint64_t theirs)
{
	uint32_t result = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		if ((theirs & names[i].theirs) == names[i].theirs)
			result |= names[i].ours;
	}
	return result;
}

static uint64_t
theirs(const struct offload_name *names, size_t count, uint32_t ours)
{
	uint64_t result = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		if (ours & names[i].ours)
			result |= names[i].theirs;
	}
	return result;
}

int
mpdk_device_attach(const char *devargs)
{
	return rte_dev_probe(devargs);
}

int
mpdk_device_detach(struct rte_device *device)
{
	return rte_dev_remove(device);
}

/* A port has the name of its device, or, where a device has several, its own. */
int
mpdk_port_by_name(const char *name, uint16_t *port)
{
	struct rte_eth_dev_info info;
	uint16_t each;

	if (rte_eth_dev_get_port_by_name(name, port) == 0)
		return 0;
	RTE_ETH_FOREACH_DEV(each) {
		if (rte_eth_dev_info_get(each, &info) == 0 && info.device != NULL &&
		    strcmp(rte_dev_name(info.device), name) == 0) {
			*port = each;
			return 0;
		}
	}
	return -ENODEV;
}

int
mpdk_port_node(uint16_t port)
{
	return rte_eth_dev_socket_id(port);
}

/* Frame bytes beyond the MTU, as ethdev itself computes them. */
static uint32_t
overhead(const struct rte_eth_dev_info *info)
{
	if (info->max_mtu != UINT16_MAX && info->max_rx_pktlen > info->max_mtu)
		return info->max_rx_pktlen - info->max_mtu;
	return RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
}

int
mpdk_port_info(uint16_t port, struct mpdk_port_info *out)
{
	struct rte_eth_dev_info info;
	uint32_t room;
	int result;

	result = rte_eth_dev_info_get(port, &info);
	if (result != 0)
		return result;
	memset(out, 0, sizeof(*out));
	if (info.driver_name != NULL)
		strncpy(out->driver, info.driver_name, sizeof(out->driver) - 1);
	out->device = info.device;
	out->offloads =
		ours(receive_offloads, RTE_DIM(receive_offloads), info.rx_offload_capa) |
		ours(transmit_offloads, RTE_DIM(transmit_offloads), info.tx_offload_capa);
	out->interface_index = info.if_index;
	out->max_packet_bytes = info.max_rx_pktlen;
	out->min_mtu = info.min_mtu;
	room = info.max_rx_pktlen > overhead(&info) ? info.max_rx_pktlen - overhead(&info) : 0;
	out->max_mtu = RTE_MIN((uint32_t)info.max_mtu, room);
	out->max_receive_queues = info.max_rx_queues;
	out->max_transmit_queues = info.max_tx_queues;
	out->max_segments = info.tx_desc_lim.nb_seg_max;
	out->hashes_tcp = (info.flow_type_rss_offloads & RTE_ETH_RSS_NONFRAG_IPV4_TCP) != 0 &&
			  info.hash_key_size <= MPDK_LONGEST_HASH_KEY;
	return 0;
}

int
mpdk_port_configure(uint16_t port, const struct mpdk_port_setup *setup)
{
	struct rte_eth_conf conf = { 0 };
	struct rte_eth_dev_info info;
	uint8_t key[MPDK_LONGEST_HASH_KEY];
	int result;

	result = rte_eth_dev_info_get(port, &info);
	if (result != 0)
		return result;
	conf.rxmode.mtu = setup->mtu;
	conf.rxmode.offloads =
		theirs(receive_offloads, RTE_DIM(receive_offloads), setup->offloads);
	/* max_lro_pkt_size stays 0, the driver's default: others refuse a value. */
	conf.txmode.offloads =
		theirs(transmit_offloads, RTE_DIM(transmit_offloads), setup->offloads);
	conf.intr_conf.rxq = setup->interrupts;
	if (setup->hash) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		mpdk_hash_conf(&info, setup->hash_key, key, &conf.rx_adv_conf.rss_conf);
	}
	return rte_eth_dev_configure(port, setup->queues, setup->queues, &conf);
}

int
mpdk_port_adjust_descriptors(uint16_t port, uint16_t *receive, uint16_t *transmit)
{
	return rte_eth_dev_adjust_nb_rx_tx_desc(port, receive, transmit);
}

int
mpdk_port_receive_queue(uint16_t port, uint16_t queue, uint16_t descriptors,
			struct rte_mempool *pool)
{
	return rte_eth_rx_queue_setup(port, queue, descriptors,
				      (unsigned int)rte_eth_dev_socket_id(port), NULL, pool);
}

/* Without a queue's own configuration it has the port's offloads. */
int
mpdk_port_transmit_queue(uint16_t port, uint16_t queue, uint16_t descriptors,
			 uint16_t free_threshold)
{
	unsigned int socket = (unsigned int)rte_eth_dev_socket_id(port);
	struct rte_eth_dev_info info;
	int result;

	if (free_threshold == 0)
		return rte_eth_tx_queue_setup(port, queue, descriptors, socket, NULL);
	result = rte_eth_dev_info_get(port, &info);
	if (result < 0)
		return result;
	info.default_txconf.tx_free_thresh = free_threshold;
	return rte_eth_tx_queue_setup(port, queue, descriptors, socket, &info.default_txconf);
}

int
mpdk_port_set_mtu(uint16_t port, uint16_t mtu)
{
	return rte_eth_dev_set_mtu(port, mtu);
}

int
mpdk_port_mac(uint16_t port, uint8_t mac[6])
{
	struct rte_ether_addr address;
	int result;

	result = rte_eth_macaddr_get(port, &address);
	if (result == 0)
		memcpy(mac, address.addr_bytes, RTE_ETHER_ADDR_LEN);
	return result;
}

int
mpdk_port_set_mac(uint16_t port, const uint8_t mac[6])
{
	struct rte_ether_addr address;

	memcpy(address.addr_bytes, mac, RTE_ETHER_ADDR_LEN);
	return rte_eth_dev_default_mac_addr_set(port, &address);
}

int
mpdk_port_start(uint16_t port)
{
	return rte_eth_dev_start(port);
}

int
mpdk_port_stop(uint16_t port)
{
	return rte_eth_dev_stop(port);
}

int
mpdk_port_close(uint16_t port)
{
	return rte_eth_dev_close(port);
}

int
mpdk_port_promiscuous(uint16_t port)
{
	return rte_eth_promiscuous_enable(port);
}

int
mpdk_port_all_multicast(uint16_t port)
{
	return rte_eth_allmulticast_enable(port);
}

int
mpdk_port_link(uint16_t port)
{
	struct rte_eth_link link = { 0 };
	int result;

	result = rte_eth_link_get_nowait(port, &link);
	if (result < 0)
		return result;
	return link.link_status == RTE_ETH_LINK_UP ? 1 : 0;
}

int
mpdk_port_counts(uint16_t port, struct mpdk_port_counts *counts)
{
	struct rte_eth_stats stats;
	int result;

	result = rte_eth_stats_get(port, &stats);
	if (result != 0)
		return result;
	counts->receive_missed = stats.imissed;
	counts->receive_errors = stats.ierrors;
	counts->receive_no_buffer = stats.rx_nombuf;
	counts->transmit_errors = stats.oerrors;
	return 0;
}

int
mpdk_port_interrupt_fd(uint16_t port, uint16_t queue)
{
	int fd = rte_eth_dev_rx_intr_ctl_q_get_fd(port, queue);

	return fd < 0 ? -ENOTSUP : fd;
}

int
mpdk_port_interrupt_enable(uint16_t port, uint16_t queue)
{
	return rte_eth_dev_rx_intr_enable(port, queue);
}

int
mpdk_port_interrupt_disable(uint16_t port, uint16_t queue)
{
	return rte_eth_dev_rx_intr_disable(port, queue);
}
