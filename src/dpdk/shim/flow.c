/* Rules that bring the segments of one TCP flow to a queue (rte_flow). */
#include "shim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_flow.h>

/* A rule as DPDK takes it; its parts point to each other, so it stays in place. */
struct rule {
	struct rte_flow_attr attributes;
	struct rte_flow_item_ipv4 ipv4, ipv4_mask;
	struct rte_flow_item_ipv6 ipv6, ipv6_mask;
	struct rte_flow_item_tcp tcp, tcp_mask;
	struct rte_flow_item pattern[4];
	struct rte_flow_action_queue queue;
	struct rte_flow_action actions[2];
};

static void
fill_addresses(struct rule *rule, const struct mpdk_flow_tuple *tuple)
{
	struct rte_flow_item *item = &rule->pattern[1];

	if (tuple->ipv6) {
		memcpy(&rule->ipv6.hdr.src_addr, tuple->source, 16);
		memcpy(&rule->ipv6.hdr.dst_addr, tuple->destination, 16);
		memset(&rule->ipv6_mask.hdr.src_addr, 0xff, 16);
		memset(&rule->ipv6_mask.hdr.dst_addr, 0xff, 16);
		item->type = RTE_FLOW_ITEM_TYPE_IPV6;
		item->spec = &rule->ipv6;
		item->mask = &rule->ipv6_mask;
		return;
	}
	memcpy(&rule->ipv4.hdr.src_addr, tuple->source, 4);
	memcpy(&rule->ipv4.hdr.dst_addr, tuple->destination, 4);
	memset(&rule->ipv4_mask.hdr.src_addr, 0xff, 4);
	memset(&rule->ipv4_mask.hdr.dst_addr, 0xff, 4);
	item->type = RTE_FLOW_ITEM_TYPE_IPV4;
	item->spec = &rule->ipv4;
	item->mask = &rule->ipv4_mask;
}

static void
fill(struct rule *rule, const struct mpdk_flow_tuple *tuple, uint16_t queue)
{
	memset(rule, 0, sizeof(*rule));
	rule->attributes.ingress = 1;
	/* Any Ethernet header. */
	rule->pattern[0].type = RTE_FLOW_ITEM_TYPE_ETH;
	fill_addresses(rule, tuple);
	rule->tcp.hdr.src_port = rte_cpu_to_be_16(tuple->source_port);
	rule->tcp.hdr.dst_port = rte_cpu_to_be_16(tuple->destination_port);
	rule->tcp_mask.hdr.src_port = UINT16_MAX;
	rule->tcp_mask.hdr.dst_port = UINT16_MAX;
	rule->pattern[2].type = RTE_FLOW_ITEM_TYPE_TCP;
	rule->pattern[2].spec = &rule->tcp;
	rule->pattern[2].mask = &rule->tcp_mask;
	rule->pattern[3].type = RTE_FLOW_ITEM_TYPE_END;
	rule->queue.index = queue;
	rule->actions[0].type = RTE_FLOW_ACTION_TYPE_QUEUE;
	rule->actions[0].conf = &rule->queue;
	rule->actions[1].type = RTE_FLOW_ACTION_TYPE_END;
}

static void
say(const struct rte_flow_error *error, char text[MPDK_FLOW_ERROR])
{
	snprintf(text, MPDK_FLOW_ERROR, "%s", error->message == NULL ? "" : error->message);
}

int
mpdk_flow_validate(uint16_t port, const struct mpdk_flow_tuple *tuple, uint16_t queue,
		   char text[MPDK_FLOW_ERROR])
{
	struct rte_flow_error error = { 0 };
	struct rule rule;
	int result;

	fill(&rule, tuple, queue);
	result = rte_flow_validate(port, &rule.attributes, rule.pattern, rule.actions, &error);
	say(&error, text);
	return result;
}

int
mpdk_flow_create(uint16_t port, const struct mpdk_flow_tuple *tuple, uint16_t queue,
		 struct rte_flow **flow, char text[MPDK_FLOW_ERROR])
{
	struct rte_flow_error error = { 0 };
	struct rule rule;

	fill(&rule, tuple, queue);
	*flow = rte_flow_create(port, &rule.attributes, rule.pattern, rule.actions, &error);
	say(&error, text);
	if (*flow != NULL)
		return 0;
	return rte_errno > 0 ? -rte_errno : -EINVAL;
}

int
mpdk_flow_destroy(uint16_t port, struct rte_flow *flow, char text[MPDK_FLOW_ERROR])
{
	struct rte_flow_error error = { 0 };
	int result;

	result = rte_flow_destroy(port, flow, &error);
	say(&error, text);
	return result;
}
