/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed reading of JSON fields, with the path to each for messages.  A path is a chain of structs
 * on the decoders' stacks: it costs nothing until something is wrong.  JSON null is absent, as in
 * Kubernetes.
 */
#ifndef WARDER_STORE_MEMBER_H
#define WARDER_STORE_MEMBER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"
#include "base/error.h"

struct warder_member {
	const struct warder_member *up; /* NULL: the object itself */
	const char *key;		/* NULL: an element of an array */
	size_t index;
	const json_t *value;	    /* may be NULL: absent */
	const char *who;	    /* of the root: the object, for messages */
	struct warder_error *error; /* of the root */
};

#define WARDER_MEMBER(up_, key_)                                                                   \
	{                                                                                          \
		.up = (up_), .key = (key_), .value = warder_member_get((up_)->value, (key_))       \
	}
#define WARDER_ELEMENT(up_, index_)                                                                \
	{                                                                                          \
		.up = (up_), .index = (index_), .value = json_array_get((up_)->value, (index_))    \
	}

/* NULL where absent, null, or `object` is not an object. */
const json_t *warder_member_get(const json_t *object, const char *key);

/* Fills in the error with object, path and what to do; returns -EINVAL. */
int warder_member_fail(const struct warder_member *field, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* "a string", "a number", ... of what is there. */
const char *warder_member_type(const json_t *value);

/* All return 0, or -EINVAL with the error filled in; where the field is absent *ret is NULL, 0 or
 * false. */
int warder_member_object(const struct warder_member *field);
int warder_member_array(const struct warder_member *field, size_t max, size_t *ret_n);
int warder_member_string(const struct warder_member *field,
			 const char **ret); /* borrowed from the JSON */
int warder_member_bool(const struct warder_member *field, bool *ret);
int warder_member_int(const struct warder_member *field, long long min, long long max,
		      long long *ret);
int warder_member_addr(const struct warder_member *field,
		       struct warder_addr *ret);			  /* must be there */
int warder_member_protocol(const struct warder_member *field, __u8 *ret); /* absent: TCP */

/* RFC 1123 names, as the API server checks them. */
#define WARDER_DNS_LABEL_MAX	 63
#define WARDER_DNS_SUBDOMAIN_MAX 253
bool warder_name_is_label(const char *name);
bool warder_name_is_subdomain(const char *name);

#endif
