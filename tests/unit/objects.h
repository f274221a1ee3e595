/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes objects written short in tests: JSON with ' for ". */
#ifndef WARDER_TESTS_OBJECTS_H
#define WARDER_TESTS_OBJECTS_H

#include <jansson.h>

#include "store/store.h"

json_t *
objects_json(const char *text); /* a new reference; ends the test program where it is no JSON */
/* A store of all objects of a list "[{...},{...}]". */
struct warder_store *objects_store(const char *text);
/* Puts one object into the store. */
void objects_put(struct warder_store *store, const char *text);

/* A pod of the cast, running: (namespace, name, node, ServiceAccount, label `app`, address), and an object's comma. */
#define POD(ns, name, node, account, app, addr)                                                    \
	"{'apiVersion':'v1','kind':'Pod','metadata':{'namespace':'" ns "','name':'" name           \
	"','labels':{'app':'" app "'}},'spec':{'nodeName':'" node                                  \
	"','serviceAccountName':'" account                                                         \
	"','containers':[{'name':'c','ports':[{'name':'http','containerPort':8080}]}]},"           \
	"'status':{'phase':'Running','podIPs':[{'ip':'" addr "'}]}},"
#define NAMESPACE(name, label)                                                                     \
	"{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'" name                          \
	"','labels':{'team':'" label "'}}},"
#define NODE(name, addr, range)                                                                    \
	"{'apiVersion':'v1','kind':'Node','metadata':{'name':'" name "','labels':{'name':'" name   \
	"'}},'spec':{'podCIDRs':['" range                                                          \
	"']},'status':{'addresses':[{'type':'InternalIP','address':'" addr "'}]}},"

#endif
