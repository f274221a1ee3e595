/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `warderctl wait`: answers once all that the source held at the call is in the maps and every running
 * pod of this node is attached, or, when its time is over, with the names of what is missing.
 */
#include "agent/agent.h"

struct agent_barrier {
	struct agent_barrier *next;
	struct agent *agent;
	struct warder_api_client *client; /* NULL once it was answered or went away */
	uv_timer_t timer;
	bool handed_over; /* the source has handed over what it held */
	bool in_source;	  /* the source still holds a pointer to this */
};

static void released(uv_handle_t *handle)
{
	free(handle->data);
}

/* Unlinks and frees once neither the source nor the timer needs it. */
static void retire(struct agent_barrier *barrier)
{
	struct agent_barrier **at;

	if (barrier->in_source)
		return;
	for (at = &barrier->agent->barriers; *at && *at != barrier; at = &(*at)->next)
		;
	if (!*at)
		return;
	*at = barrier->next;
	uv_close((uv_handle_t *)&barrier->timer, released);
}

/* The client, to be answered once: it is ours no longer. */
static struct warder_api_client *settle(struct agent_barrier *barrier)
{
	struct warder_api_client *client = barrier->client;

	barrier->client = NULL;
	warder_api_client_watch(client, NULL, NULL);
	return client;
}

/* What is missing: a new array of strings, empty where all is in force. */
static json_t *missing(const struct agent_barrier *barrier)
{
	const struct agent *agent = barrier->agent;

	if (!barrier->handed_over)
		return json_pack("[s]", "the source has not handed over all that it holds");
	if (agent->trouble[0])
		return json_pack("[s]", agent->trouble);
	if (agent->store_version != warder_store_version(agent->store) ||
	    uv_is_active((uv_handle_t *)&agent->work))
		return json_pack("[s]", "a change is not in the maps yet");
	return agent_missing(agent);
}

static void answer(struct agent_barrier *barrier, json_t *list)
{
	warder_api_answer(settle(barrier),
			  json_pack("{s:b, s:I, s:o}", "ready", json_array_size(list) == 0,
				    "revision", (json_int_t)barrier->agent->store_version,
				    "missing", list),
			  false);
	retire(barrier);
}

static void check(struct agent_barrier *barrier)
{
	json_t *list;

	if (!barrier->client)
		return;
	list = missing(barrier);
	if (json_array_size(list))
		json_decref(list);
	else
		answer(barrier, list);
}

static void timed_out(uv_timer_t *timer)
{
	struct agent_barrier *barrier = timer->data;

	if (barrier->client)
		answer(barrier, missing(barrier));
}

void agent_barriers_check(struct agent *agent)
{
	struct agent_barrier *next;

	for (struct agent_barrier *b = agent->barriers; b; b = next) {
		next = b->next;
		check(b);
	}
}

static void handed_over(void *data)
{
	struct agent_barrier *barrier = data;

	barrier->in_source = false;
	barrier->handed_over = true;
	if (!barrier->client)
		retire(barrier);
	else
		check(barrier);
}

static void client_gone(void *data)
{
	struct agent_barrier *barrier = data;

	barrier->client = NULL;
	retire(barrier);
}

void agent_barrier_add(struct agent *agent, struct warder_api_client *client, unsigned timeout_ms)
{
	struct agent_barrier *barrier = calloc(1, sizeof(*barrier));

	if (!barrier)
		return warder_api_fail(client, "out of memory");
	barrier->agent = agent;
	barrier->client = client;
	barrier->next = agent->barriers;
	agent->barriers = barrier;
	uv_timer_init(agent->loop, &barrier->timer);
	barrier->timer.data = barrier;
	uv_timer_start(&barrier->timer, timed_out, timeout_ms, 0);
	warder_api_client_watch(client, client_gone, barrier);
	barrier->in_source = true;
	warder_host_sync(
		agent->host); /* what happened to pods before the call counts, like what the source held */
	if (agent->source->ops->barrier(agent->source, handed_over, barrier))
		handed_over(barrier);
}
