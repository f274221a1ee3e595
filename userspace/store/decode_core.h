/* SPDX-License-Identifier: Apache-2.0 */
/* The decoders of Node, Pod, Service and EndpointSlice, called by warder_object_decode alone. */
#ifndef WARDER_STORE_DECODE_CORE_H
#define WARDER_STORE_DECODE_CORE_H

#include "store/member.h"
#include "store/object.h"

/* Fill in a zeroed part of an object; what they allocate belongs to it, also after an error.
 * 0, -EINVAL with the error filled in, -ENOMEM. */
int warder_decode_pod(const struct warder_member *root, struct warder_pod *pod);
int warder_decode_node(const struct warder_member *root, struct warder_node *node);
int warder_decode_service(const struct warder_member *root, struct warder_service *service);
int warder_decode_slice(const struct warder_member *root, struct warder_endpoint_slice *slice);

#endif
