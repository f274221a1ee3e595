/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the JSON of one Kubernetes object to struct warder_object: which kind it is, its metadata,
 * and then the kind's own decoder.  What is outside spec and unknown is ignored, as the API server
 * ignores it; what is known must have its type.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/decode_core.h"
#include "store/decode_policy.h"
#include "store/kinds.h"

enum {
	LABELS_MAX = 4096,   /* of one object */
	LABEL_KEY_MAX = 317, /* a DNS subdomain, '/', 63 characters */
	LABEL_VALUE_MAX = 63,
	UID_MAX = 128,
	WHO_MAX = 400, /* of "Kind ns/name" in messages */
};

#define NAMESPACE_LABEL "kubernetes.io/metadata.name"
#define MODE_ANNOTATION "warder.io/mode"

static void cleanup_object(struct warder_object **object)
{
	warder_object_unref(*object);
}

static int compare_labels(const void *a, const void *b)
{
	return strcmp(((const struct warder_label *)a)->key, ((const struct warder_label *)b)->key);
}

static int add_label(struct warder_labels *labels, const char *key, const char *value)
{
	struct warder_label *label = &labels->v[labels->n];

	label->key = strdup(key);
	label->value = strdup(value);
	labels->n++; /* what there is of it is freed with the object */
	return label->key && label->value ? 0 : -ENOMEM;
}

static int decode_labels(const struct warder_member *metadata, struct warder_object *object)
{
	struct warder_member field = WARDER_MEMBER(metadata, "labels");
	bool ns = object->kind == WARDER_KIND_NAMESPACE;
	const char *key;
	json_t *value;

	if (warder_member_object(&field))
		return -EINVAL;
	if (json_object_size(field.value) > LABELS_MAX)
		return warder_member_fail(&field, "has more than %d labels", LABELS_MAX);
	object->labels.v = calloc(json_object_size(field.value) + 1, sizeof(*object->labels.v));
	if (!object->labels.v)
		return -ENOMEM;
	json_object_foreach((json_t *)field.value, key, value)
	{
		struct warder_member entry = WARDER_MEMBER(&field, key);
		const char *text = NULL;

		if (ns &&
		    !strcmp(key,
			    NAMESPACE_LABEL)) /* the API server writes it, whatever is asked for */
			continue;
		if (warder_member_string(&entry, &text))
			return -EINVAL;
		if (strlen(key) > LABEL_KEY_MAX || (text && strlen(text) > LABEL_VALUE_MAX))
			return warder_member_fail(
				&entry, "is too long: a key has at most %d characters, a value %d",
				LABEL_KEY_MAX, LABEL_VALUE_MAX);
		if (add_label(&object->labels, key, text ? text : ""))
			return -ENOMEM;
	}
	if (ns && add_label(&object->labels, NAMESPACE_LABEL, object->name))
		return -ENOMEM;
	qsort(object->labels.v, object->labels.n, sizeof(*object->labels.v), compare_labels);
	return 0;
}

/* An unknown mode is no reason to lose the object: it stays enforced, which is the safe reading. */
static int decode_mode(const struct warder_member *metadata, struct warder_object *object)
{
	struct warder_member all = WARDER_MEMBER(metadata, "annotations"),
			     mode = WARDER_MEMBER(&all, MODE_ANNOTATION);
	const char *text;

	if (warder_member_object(&all))
		return -EINVAL;
	text = mode.value ? json_string_value(mode.value) : "enforce";
	object->audit = text && !strcmp(text, "audit");
	if (!object->audit && (!text || strcmp(text, "enforce")))
		warder_member_fail(&mode,
				   "\"%.40s\" is no mode, use audit or enforce; it is enforced",
				   text ? text : "");
	return 0;
}

static int check_names(const struct warder_member *metadata, const struct warder_object *object)
{
	struct warder_member name = WARDER_MEMBER(metadata, "name"),
			     ns = WARDER_MEMBER(metadata, "namespace");
	const char *text = json_string_value(name.value);

	if (*object->ns && !warder_name_is_label(object->ns))
		return warder_member_fail(&ns,
					  "\"%.80s\" is not the name of a namespace (lower case "
					  "letters, digits and '-', at most %d)",
					  object->ns, WARDER_DNS_LABEL_MAX);
	if (object->kind == WARDER_KIND_FOREIGN) /* its own API server's rules are not ours */
		return strlen(text) <= WARDER_DNS_SUBDOMAIN_MAX
			       ? 0
			       : warder_member_fail(&name, "is too long");
	if (object->kind == WARDER_KIND_NAMESPACE || object->kind == WARDER_KIND_SERVICE) {
		if (!warder_name_is_label(text))
			return warder_member_fail(&name,
						  "\"%.80s\" is not a DNS label (lower case "
						  "letters, digits and '-', at most %d)",
						  text, WARDER_DNS_LABEL_MAX);
		return 0;
	}
	if (!warder_name_is_subdomain(text))
		return warder_member_fail(&name,
					  "\"%.80s\" is not a DNS name (lower case letters, "
					  "digits, '-' and '.', at most %d)",
					  text, WARDER_DNS_SUBDOMAIN_MAX);
	return 0;
}

/* The names, which every later message needs. */
static int decode_names(const struct warder_member *metadata, const struct warder_kind_info *info,
			struct warder_object *object)
{
	struct warder_member name = WARDER_MEMBER(metadata, "name"),
			     ns = WARDER_MEMBER(metadata, "namespace");
	struct warder_member uid = WARDER_MEMBER(metadata, "uid");
	const char *name_text, *ns_text, *uid_text, *slash = strchr(object->api_version, '/');
	bool foreign = info->kind == WARDER_KIND_FOREIGN;

	if (warder_member_string(&name, &name_text) || warder_member_string(&ns, &ns_text) ||
	    warder_member_string(&uid, &uid_text))
		return -EINVAL;
	if (!name_text || !*name_text)
		return warder_member_fail(&name, "is missing, every object needs one");
	if (uid_text && strlen(uid_text) > UID_MAX)
		return warder_member_fail(&uid, "is longer than %d characters", UID_MAX);
	if (!ns_text || !*ns_text)
		ns_text = info->namespaced ? "default" : "";
	else if (!info->namespaced && !foreign)
		ns_text = ""; /* the API server ignores it on cluster-scoped kinds */
	object->ns = strdup(ns_text);
	object->uid = strdup(uid_text ? uid_text : "");
	if (!foreign)
		object->name = strdup(name_text);
	else if (asprintf(&object->name, "%s.%s%s%.*s", name_text, object->kind_name,
			  slash ? "." : "", slash ? (int)(slash - object->api_version) : 0,
			  object->api_version) < 0)
		object->name = NULL;
	return object->ns && object->uid && object->name ? 0 : -ENOMEM;
}

static int decode_policy(const json_t *json, struct warder_object *object)
{
	/* Objects outlive the document that they come from, and share nothing with it. */
	object->spec = json_deep_copy(json_object_get(json, "spec"));
	if (!object->spec && json_object_get(json, "spec"))
		return -ENOMEM;
	return warder_policy_decode(json, object->kind, object->ns, &object->policy);
}

static int decode_kind(const struct warder_member *root, struct warder_object *object)
{
	switch (object->kind) {
	case WARDER_KIND_POD:
		return warder_decode_pod(root, &object->pod);
	case WARDER_KIND_NODE:
		return warder_decode_node(root, &object->node);
	case WARDER_KIND_SERVICE:
		return warder_decode_service(root, &object->service);
	case WARDER_KIND_ENDPOINT_SLICE:
		return warder_decode_slice(root, &object->slice);
	case WARDER_KIND_NETWORK_POLICY:
	case WARDER_KIND_IDENTITY_POLICY:
	case WARDER_KIND_CLUSTER_NETWORK_POLICY:
		return decode_policy(root->value, object);
	default:
		return 0;
	}
}

/* What the object calls itself, for messages about its kind; `who` stays where it does not say. */
static void name_itself(const json_t *json, const char *kind, char who[WHO_MAX])
{
	const json_t *metadata = json_object_get(json, "metadata");
	const char *ns = json_string_value(json_object_get(metadata, "namespace"));
	const char *name = json_string_value(json_object_get(metadata, "name"));

	if (name)
		snprintf(who, WHO_MAX, "%.80s %.63s%s%.253s", kind, ns ? ns : "", ns ? "/" : "",
			 name);
	else
		snprintf(who, WHO_MAX, "%.80s", kind);
}

/* apiVersion and kind; -ENOTSUP where Warder has no use for it, -EPROTONOSUPPORT where it should
 * have. */
static int find_kind(const struct warder_member *root, char who[WHO_MAX], const char **ret_version,
		     const char **ret_kind, struct warder_kind_info *ret)
{
	struct warder_member version = WARDER_MEMBER(root, "apiVersion"),
			     kind = WARDER_MEMBER(root, "kind");

	if (!json_is_object(root->value))
		return warder_member_fail(root, "is %s, must be a Kubernetes object",
					  warder_member_type(root->value));
	if (warder_member_string(&version, ret_version) || warder_member_string(&kind, ret_kind))
		return -EINVAL;
	if (!*ret_version || !**ret_version)
		return warder_member_fail(&version, "is missing, every object needs one");
	if (!*ret_kind || !**ret_kind)
		return warder_member_fail(&kind, "is missing, every object needs one");
	name_itself(root->value, *ret_kind, who);
	switch (warder_kind_find(*ret_version, *ret_kind, ret)) {
	case WARDER_KIND_USED:
		return 0;
	case WARDER_KIND_OTHER_VERSION:
		/*
		 * A namespaced policy isolates what it would select (store/decode_policy.h); to
		 * deny a whole cluster because of a version would be worse than to say so and go
		 * on.
		 */
		if (ret->kind == WARDER_KIND_NETWORK_POLICY ||
		    ret->kind == WARDER_KIND_IDENTITY_POLICY)
			return 0;
		warder_member_fail(
			&version,
			"\"%.80s\" of %.80s is not known to this version of Warder, use %s",
			*ret_version, *ret_kind, ret->version);
		return -EPROTONOSUPPORT;
	case WARDER_KIND_MISTAKEN:
		warder_member_fail(&kind, "\"%.80s\" is no kind of %.80s, use IdentityPolicy",
				   *ret_kind, *ret_version);
		return -EPROTONOSUPPORT;
	case WARDER_KIND_UNUSED:
		break;
	}
	return warder_error_set(root->error, -ENOTSUP, "%.80s of %.80s is of no use to Warder",
				*ret_kind, *ret_version);
}

int warder_object_decode(const json_t *json, const char *origin, struct warder_object **ret,
			 struct warder_error *error)
{
	char who[WHO_MAX] = "the document";
	struct warder_member root = {.value = json, .who = who, .error = error};
	struct warder_member metadata = WARDER_MEMBER(&root, "metadata");
	CLEANUP(cleanup_object) struct warder_object *object = NULL;
	struct warder_kind_info info = {0};
	const char *version = NULL, *kind = NULL;
	int code;

	warder_error_set(error, 0, "%s", "");
	code = find_kind(&root, who, &version, &kind, &info);
	if (code)
		return code;
	object = calloc(1, sizeof(*object));
	if (!object)
		return -ENOMEM;
	object->refs = 1;
	object->kind = info.kind;
	object->api_version = strdup(version);
	object->kind_name = strdup(kind);
	object->origin = origin ? strdup(origin) : NULL;
	if (!object->api_version || !object->kind_name || (origin && !object->origin))
		return -ENOMEM;
	code = warder_member_object(&metadata);
	if (!code)
		code = decode_names(&metadata, &info, object);
	if (code)
		return code;
	warder_object_describe(object, who, sizeof(who));
	code = check_names(&metadata, object);
	if (!code)
		code = decode_labels(&metadata, object);
	if (!code)
		code = decode_mode(&metadata, object);
	if (!code)
		code = decode_kind(&root, object);
	if (code)
		return code;
	*ret = TAKE(object);
	return 0;
}
