/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory source on a real directory: every way in which files are changed, broken files,
 * restarts, and that an object never flaps.  What is waited for is a state, with a deadline far off.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/file.h"
#include "source/source.h"
#include "store/store.h"
#include "suite.h"

#define DEADLINE_MS 10000

static struct {
	char root[64], path[96], state[96];
	uv_loop_t loop;
	struct warder_store *store;
	struct warder_source *source;
	unsigned puts, deletes, changes, barriers;
	char deleted[64][64]; /* names, in order */
	struct warder_error error;
} world;

static void put(void *data, struct warder_object *object)
{
	world.puts++;
	warder_store_put(world.store, object);
}

static void delete (void *data, enum warder_kind kind, const char *ns, const char *name)
{
	snprintf(world.deleted[world.deletes++ % 64], 64, "%s", name);
	warder_store_delete(world.store, kind, ns, name);
}

static void changed(void *data, unsigned long long seen_ns)
{
	CU_ASSERT(seen_ns && seen_ns <= uv_hrtime());
	world.changes++;
}

static const struct warder_source_sink sink = {.put = put, .delete = delete, .changed = changed};

static void shell(const char *format, ...)
{
	char command[2048], whole[2200];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	snprintf(whole, sizeof(whole), "cd %s && { %s; }", world.root, command);
	CU_ASSERT_FATAL(system(whole) == 0);
}

/* A pod of this name on this node, at once (not atomically). */
static void write_pod(const char *file, const char *name, const char *node)
{
	char path[256];
	FILE *to;

	snprintf(path, sizeof(path), "%s/%s", world.path, file);
	to = fopen(path, "w");
	CU_ASSERT_FATAL(to != NULL);
	fprintf(to, "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {nodeName: %s}\n", name,
		node);
	fclose(to);
}

static int open_source(void)
{
	int code;

	uv_loop_init(&world.loop);
	world.store = warder_store_new();
	code = warder_directory_open(&world.loop, world.path, world.state, &sink, &world.source,
				     &world.error);
	if (code)
		world.source = NULL;
	return code;
}

static void close_source(void)
{
	if (world.source)
		world.source->ops->close(world.source);
	world.source = NULL;
	uv_run(&world.loop, UV_RUN_DEFAULT);
	CU_ASSERT(!uv_loop_close(&world.loop));
	warder_store_free(world.store);
	world.store = NULL;
	world.puts = world.deletes = world.changes = world.barriers = 0;
}

static void begin(void)
{
	memset(&world, 0, sizeof(world));
	strcpy(world.root, "/tmp/warder-directory-XXXXXX");
	CU_ASSERT_FATAL(mkdtemp(world.root) != NULL);
	snprintf(world.path, sizeof(world.path), "%s/m", world.root);
	snprintf(world.state, sizeof(world.state), "%s/state", world.root);
	shell("mkdir m");
}

static void end(void)
{
	if (world.store)
		close_source();
	shell("chmod -R u+rwx . && rm -rf %s", world.root);
}

static const char *node_of(const char *pod)
{
	struct warder_object *object =
		warder_store_get(world.store, WARDER_KIND_POD, "default", pod);

	return object ? object->pod.node : "";
}

static bool has_problem(const char *where, const char *what, bool fatal)
{
	const struct warder_source_problem *problems;
	size_t n;

	problems = world.source->ops->problems(world.source, &n);
	for (size_t i = 0; i < n; i++)
		if (strstr(problems[i].where, where) && strstr(problems[i].what, what) &&
		    problems[i].fatal == fatal)
			return true;
	return false;
}

static size_t n_problems(void)
{
	size_t n;

	world.source->ops->problems(world.source, &n);
	return n;
}

static void woken(uv_timer_t *timer)
{
}

/* Runs the loop until the pod is on this node ("" = gone), or for too long. */
static bool until(const char *pod, const char *node)
{
	uint64_t deadline = uv_hrtime() + DEADLINE_MS * 1000000ULL;
	uv_timer_t timer;

	uv_timer_init(&world.loop, &timer);
	uv_timer_start(&timer, woken, 5, 5);
	while (strcmp(node_of(pod), node) && uv_hrtime() < deadline)
		uv_run(&world.loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&world.loop, UV_RUN_NOWAIT);
	if (!strcmp(node_of(pod), node))
		return true;
	printf("  %s is on \"%s\", not \"%s\"\n", pod, node_of(pod), node);
	return false;
}

static void done(void *data)
{
	world.barriers++;
}

/* What the directory holds now is in the store afterwards, without any waiting for events. */
static void barrier(void)
{
	unsigned before = world.barriers;
	uint64_t deadline = uv_hrtime() + DEADLINE_MS * 1000000ULL;

	CU_ASSERT(!world.source->ops->barrier(world.source, done, NULL));
	while (world.barriers == before && uv_hrtime() < deadline)
		uv_run(&world.loop, UV_RUN_ONCE);
	CU_ASSERT(world.barriers == before + 1);
}

static void test_first_read(void)
{
	begin();
	write_pod("a.yaml", "a", "n1");
	write_pod("b.json", "b", "n1"); /* YAML in it: the name is not what decides */
	write_pod("c.yml", "c", "n1");
	write_pod("d.txt", "d", "n1");
	write_pod(".e.yaml", "e", "n1");
	shell("mkdir m/f.d m/sub && cp m/a.yaml m/sub/g.yaml");
	CU_ASSERT_FATAL(!open_source());
	CU_ASSERT(world.changes == 1 && world.puts == 3 && world.source->ops->synced(world.source));
	CU_ASSERT(warder_store_count(world.store, WARDER_KIND_POD) == 3 && n_problems() == 0);
	end();
}

/* Each way in which files change, found by events alone. */
static void test_events(void)
{
	begin();
	CU_ASSERT_FATAL(!open_source());
	CU_ASSERT(world.changes == 1);
	write_pod("a.yaml", "a", "n1");
	CU_ASSERT(until("a", "n1"));
	write_pod("a.yaml", "a", "n2"); /* in place */
	CU_ASSERT(until("a", "n2"));
	shell("sed s/n2/n3/ m/a.yaml > m/.new && mv m/.new m/a.yaml"); /* atomically */
	CU_ASSERT(until("a", "n3"));
	shell("sed s/n3/n4/ m/a.yaml > away && mv away m/a.yaml"); /* from elsewhere */
	CU_ASSERT(until("a", "n4"));
	shell("sed -i s/n4/n5/ m/a.yaml");
	CU_ASSERT(until("a", "n5"));
	shell("sed s/n5/n6/ m/a.yaml > away && ln -f away m/a.yaml"); /* a hard link */
	CU_ASSERT(until("a", "n6"));
	shell("mv m/a.yaml m/b.yaml");
	barrier();
	CU_ASSERT(!strcmp(node_of("a"), "n6") && !world.deletes);
	shell("mv m/b.yaml m/b.off");
	CU_ASSERT(until("a", ""));
	shell("mv m/b.off m/b.yaml");
	CU_ASSERT(until("a", "n6"));
	shell("rm m/b.yaml");
	CU_ASSERT(until("a", ""));
	end();
}

/* Only what has changed is told. */
static void test_only_changes(void)
{
	begin();
	shell("for i in $(seq 100); do printf -- '---\\napiVersion: v1\\nkind: Pod\\nmetadata: "
	      "{name: p'$i'}\\nspec: {nodeName: n1}\\n'; "
	      "done > m/all.yaml");
	CU_ASSERT_FATAL(!open_source());
	CU_ASSERT(world.puts == 100 && world.changes == 1);
	shell("sed '/name: p50}/{n;s/n1/n2/}' m/all.yaml > m/.x && mv m/.x m/all.yaml");
	CU_ASSERT(until("p50", "n2"));
	CU_ASSERT(world.puts == 101 && world.changes == 2 && world.deletes == 0);
	shell("cp m/all.yaml m/.x && mv m/.x m/all.yaml && touch m/all.yaml");
	barrier();
	CU_ASSERT(world.puts == 101 && world.changes == 2);
	shell("(cat m/all.yaml; echo '# a comment') > m/.x && mv m/.x m/all.yaml");
	barrier();
	CU_ASSERT(world.puts == 101 && world.changes == 2);
	end();
}

static void test_broken_file(void)
{
	begin();
	write_pod("a.yaml", "a", "n1");
	write_pod("b.yaml", "b", "n1");
	CU_ASSERT_FATAL(!open_source());
	shell("printf 'apiVersion: v1\\nkind: Pod\\nmetadata: {name: a\\nspec: {}' > m/a.yaml");
	write_pod("b.yaml", "b", "n2");
	barrier();
	CU_ASSERT(!strcmp(node_of("a"), "n1") &&
		  !strcmp(node_of("b"), "n2")); /* it is broken alone */
	CU_ASSERT(has_problem("a.yaml:4:", "did not find", true));
	CU_ASSERT(has_problem("a.yaml", "last good copy holds stays in force", true));
	/* One object of many: the file is taken whole or not at all. */
	shell("printf 'apiVersion: v1\\nkind: Pod\\nmetadata: {name: c}\\n---\\napiVersion: "
	      "v1\\nkind: Pod\\nmetadata: {name: a}\\n"
	      "spec: {nodeName: 7}\\n' > m/a.yaml");
	barrier();
	CU_ASSERT(!strcmp(node_of("a"), "n1") &&
		  warder_store_count(world.store, WARDER_KIND_POD) == 2);
	CU_ASSERT(has_problem(
		"a.yaml:8:8",
		"Pod default/a: spec.nodeName: is a number, must be a string: put it in quotes",
		true));
	/* A restart changes nothing. */
	close_source();
	CU_ASSERT_FATAL(!open_source());
	CU_ASSERT(!strcmp(node_of("a"), "n1") && has_problem("a.yaml", "stays in force", true));
	/* Unreadable in other ways. */
	shell("rm m/a.yaml && mkdir m/a.yaml");
	barrier();
	CU_ASSERT(!strcmp(node_of("a"), "n1") &&
		  has_problem("a.yaml", "is not a regular file", true));
	shell("rmdir m/a.yaml && mkfifo m/a.yaml");
	barrier();
	CU_ASSERT(!strcmp(node_of("a"), "n1") &&
		  has_problem("a.yaml", "is not a regular file", true));
	shell("rm m/a.yaml && truncate -s 100M m/a.yaml");
	barrier();
	CU_ASSERT(!strcmp(node_of("a"), "n1") && has_problem("a.yaml", "104857600 bytes", true));
	shell("rm m/a.yaml && ln -s nowhere m/a.yaml");
	barrier();
	CU_ASSERT(!strcmp(node_of("a"), "n1") && has_problem("a.yaml", "No such file", true));
	/* Mended; and at last removed. */
	shell("rm m/a.yaml");
	write_pod("a.yaml", "a", "n3");
	barrier();
	CU_ASSERT(!strcmp(node_of("a"), "n3") && n_problems() == 0);
	shell("rm m/a.yaml");
	barrier();
	CU_ASSERT(!strcmp(node_of("a"), ""));
	close_source();
	shell("echo '{' > m/a.yaml");
	CU_ASSERT_FATAL(!open_source());
	CU_ASSERT(!strcmp(node_of("a"), "") &&
		  has_problem("a.yaml", "nothing of it is in force", true));
	end();
}

/* What went while nobody watched is gone; its copy does not come back. */
static void test_restart(void)
{
	begin();
	write_pod("a.yaml", "a", "n1");
	CU_ASSERT_FATAL(!open_source());
	close_source();
	shell("rm m/a.yaml");
	CU_ASSERT_FATAL(!open_source());
	CU_ASSERT(!strcmp(node_of("a"), "") && n_problems() == 0);
	close_source();
	shell("echo '[' > m/a.yaml");
	CU_ASSERT_FATAL(!open_source());
	CU_ASSERT(!strcmp(node_of("a"), ""));
	end();
}

static void test_duplicates(void)
{
	begin();
	write_pod("b.yaml", "a", "n2");
	CU_ASSERT_FATAL(!open_source());
	write_pod("c.yaml", "a", "n3");
	barrier();
	CU_ASSERT(!strcmp(node_of("a"), "n2") &&
		  has_problem("c.yaml:1", "Pod default/a is in b.yaml:1 too", false));
	CU_ASSERT(world.puts == 1);
	write_pod("a.yaml", "a", "n1");
	barrier();
	CU_ASSERT(!strcmp(node_of("a"), "n1") && n_problems() == 2);
	shell("rm m/a.yaml");
	barrier();
	CU_ASSERT(!strcmp(node_of("a"), "n2") && !world.deletes && n_problems() == 1);
	shell("rm m/b.yaml m/c.yaml");
	barrier();
	CU_ASSERT(!strcmp(node_of("a"), "") && world.deletes == 1 && n_problems() == 0);
	shell("printf 'apiVersion: v1\\nkind: Pod\\nmetadata: {name: a}\\nspec: {nodeName: "
	      "first}\\n---\\n"
	      "apiVersion: v1\\nkind: Pod\\nmetadata: {name: a}\\n' > m/a.yaml");
	barrier();
	CU_ASSERT(!strcmp(node_of("a"), "first") &&
		  has_problem("a.yaml:6", "is in a.yaml:1 too", false));
	end();
}

/* Renaming and splitting files moves objects without anybody seeing them go. */
static void test_moves(void)
{
	begin();
	write_pod("a.yaml", "a", "n1");
	write_pod("b.yaml", "b", "n1");
	CU_ASSERT_FATAL(!open_source());
	shell("cat m/a.yaml > m/.x; echo --- >> m/.x; cat m/b.yaml >> m/.x; rm m/a.yaml m/b.yaml; "
	      "mv m/.x m/z.yaml");
	barrier();
	CU_ASSERT(world.deletes == 0 && world.puts == 2 &&
		  warder_store_count(world.store, WARDER_KIND_POD) == 2);
	shell("mv m/z.yaml m/0.yaml");
	write_pod("c.yaml", "c", "n1");
	CU_ASSERT(until("c", "n1"));
	CU_ASSERT(world.deletes == 0 && world.puts == 3);
	end();
}

/* As the kubelet mounts a ConfigMap: ..data is a link that is swapped. */
static void test_configmap(void)
{
	begin();
	write_pod("x", "a", "n1");
	shell("mkdir m/..1 && mv m/x m/..1/a.yaml && ln -s ..1 m/..data && ln -s ..data/a.yaml "
	      "m/a.yaml");
	CU_ASSERT_FATAL(!open_source());
	CU_ASSERT(!strcmp(node_of("a"), "n1"));
	for (int i = 2; i < 6; i++) {
		char node[16];

		snprintf(node, sizeof(node), "n%d", i);
		shell("mkdir m/..%d && sed s/n%d/n%d/ m/..%d/a.yaml > m/..%d/a.yaml && ln -s ..%d "
		      "m/..data_tmp && "
		      "mv -T m/..data_tmp m/..data && rm -r m/..%d",
		      i, i - 1, i, i - 1, i, i, i - 1);
		CU_ASSERT(until("a", node));
	}
	CU_ASSERT(!world.deletes && world.puts == 5);
	end();
}

/* A link to a file elsewhere is followed, also when that is edited or replaced. */
static void test_links(void)
{
	begin();
	write_pod("x", "a", "n1");
	shell("mkdir e && mv m/x e/f && ln -s ../e/f m/a.yaml");
	CU_ASSERT_FATAL(!open_source());
	shell("sed s/n1/n2/ e/f > new && cat new > e/f");
	CU_ASSERT(until("a", "n2"));
	shell("sed s/n2/n3/ e/f > new && mv new e/f");
	CU_ASSERT(until("a", "n3"));
	shell("sed s/n3/n4/ e/f > new && cat new > e/f");
	CU_ASSERT(until("a", "n4"));
	end();
}

static void test_directory_made_again(void)
{
	begin();
	write_pod("a.yaml", "a", "n1");
	write_pod("b.yaml", "b", "n1");
	CU_ASSERT_FATAL(!open_source());
	shell("mv m old");
	barrier();
	CU_ASSERT(!strcmp(node_of("a"), "n1") &&
		  has_problem("/m", "make the directory again", true));
	/* A restart meanwhile changes nothing. */
	close_source();
	CU_ASSERT_FATAL(!open_source());
	CU_ASSERT(!strcmp(node_of("a"), "n1") && !strcmp(node_of("b"), "n1") && world.changes == 1);
	CU_ASSERT(has_problem("/m", "make the directory again", true));
	shell("mkdir m && cp old/b.yaml m/ && sed s/n1/n2/ old/a.yaml > m/a.yaml");
	CU_ASSERT(until("a", "n2"));
	CU_ASSERT(!world.deletes && n_problems() == 0);
	write_pod("a.yaml", "a", "n3"); /* the new one is watched */
	CU_ASSERT(until("a", "n3"));
	/* The path itself as a link that is swapped. */
	shell("mv m m1 && cp -r m1 m2 && sed -i s/n3/n4/ m2/a.yaml && ln -s m1 m");
	barrier();
	CU_ASSERT(!strcmp(node_of("a"), "n3"));
	shell("ln -s m2 m.new && mv -T m.new m");
	CU_ASSERT(until("a", "n4"));
	CU_ASSERT(!world.deletes);
	end();
}

static void test_directory_missing(void)
{
	begin();
	shell("rmdir m");
	CU_ASSERT(open_source() == -ENOENT);
	CU_ASSERT(strstr(world.error.text, "make it") != NULL);
	close_source();
	shell("touch m");
	CU_ASSERT(open_source() < 0);
	end();
}

/* A file that somebody holds open and has only begun to write is not read. */
static void test_half_written(void)
{
	char path[128];
	int fd;

	begin();
	write_pod("a.yaml", "a", "n1");
	shell("printf -- '---\\napiVersion: v1\\nkind: Pod\\nmetadata: {name: b}\\nspec: "
	      "{nodeName: n1}\\n' >> m/a.yaml");
	CU_ASSERT_FATAL(!open_source());
	snprintf(path, sizeof(path), "%s/a.yaml", world.path);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	dprintf(fd,
		"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {nodeName: n2}\n"); /* whole, but for b */
	write_pod("c.yaml", "c", "n1");
	CU_ASSERT(until("c", "n1"));
	CU_ASSERT(!strcmp(node_of("a"), "n1") && !strcmp(node_of("b"), "n1") && !world.deletes);
	dprintf(fd, "---\napiVersion: v1\nkind: Pod\nmetadata: {name: b}\nspec: {nodeName: n2}\n");
	close(fd);
	barrier();
	CU_ASSERT(!strcmp(node_of("a"), "n2") && !strcmp(node_of("b"), "n2") && !world.deletes);
	/* Who never closes is believed when the file has been at rest. */
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	dprintf(fd, "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {nodeName: n3}\n");
	CU_ASSERT(until("a", "n3"));
	close(fd);
	barrier();
	end();
}

/* A barrier sees all that was there at the call, event or not. */
static void test_barrier(void)
{
	begin();
	CU_ASSERT_FATAL(!open_source());
	for (int i = 0; i < 50; i++) {
		char file[32], name[32], node[32];

		snprintf(file, sizeof(file), "f%d.yaml", i % 10);
		snprintf(name, sizeof(name), "p%d", i % 10);
		snprintf(node, sizeof(node), "n%d", i + 100);
		write_pod(file, name, node);
		barrier();
		CU_ASSERT(!strcmp(node_of(name), node));
	}
	CU_ASSERT(world.puts == 50 && !world.deletes);
	end();
}

static void test_kinds_told(void)
{
	begin();
	shell("printf 'apiVersion: apps/v1\\nkind: Deployment\\n---\\napiVersion: "
	      "warder.io/v1\\nkind: Polcy\\n---\\n"
	      "apiVersion: cilium.io/v2\\nkind: CiliumNetworkPolicy\\nmetadata: {name: p, "
	      "namespace: x}\\n---\\n"
	      "apiVersion: v1\\nkind: Namespace\\nmetadata:\\n  name: x\\n  annotations: "
	      "{warder.io/mode: adit}\\n' > m/a.yaml");
	CU_ASSERT_FATAL(!open_source());
	CU_ASSERT(has_problem("a.yaml:5:", "\"Polcy\" is no kind of warder.io/v1", true));
	CU_ASSERT(has_problem("/m", "1 objects of kinds that Warder has no use for (Deployment)",
			      false));
	CU_ASSERT(has_problem("a.yaml:15:17", "use audit or enforce", false));
	CU_ASSERT(warder_store_count(world.store, WARDER_KIND_FOREIGN) == 1);
	CU_ASSERT(warder_store_count(world.store, WARDER_KIND_NAMESPACE) == 1);
	end();
}

static unsigned told;

static void tell(void *data, const struct warder_source_problem *problem)
{
	told++;
}

static void test_read_once(void)
{
	begin();
	world.store = warder_store_new();
	uv_loop_init(&world.loop);
	write_pod("a.yaml", "a", "n1");
	write_pod("b.yaml", "a", "n2");
	shell("echo '{' > m/c.yaml");
	told = 0;
	CU_ASSERT(!warder_directory_read(world.path, &sink, tell, NULL, &world.error));
	CU_ASSERT(world.puts == 1 && world.changes == 1 && told == 2 &&
		  !strcmp(node_of("a"), "n1"));
	CU_ASSERT(warder_directory_read("/nonexistent", &sink, tell, NULL, &world.error) ==
		  -ENOENT);
	CU_ASSERT(strstr(world.error.text, "/nonexistent") != NULL);
	CU_ASSERT(warder_directory_read("/etc/passwd", &sink, tell, NULL, &world.error) ==
		  -ENOTDIR);
	end();
}

/* Random edits, in random order, with and without barriers: the end is what one reading finds. */
static void test_random_edits(void)
{
	unsigned seed = 20261124;

	begin();
	CU_ASSERT_FATAL(!open_source());
	for (int i = 0; i < 400; i++) {
		char file[32], name[32], node[32];
		unsigned r = rand_r(&seed);

		snprintf(file, sizeof(file), "f%d.yaml", r % 7);
		snprintf(name, sizeof(name), "p%d", (r >> 4) % 5);
		snprintf(node, sizeof(node), "n%d", (r >> 8) % 1000);
		if ((r >> 20) % 4) {
			write_pod(file, name, node);
		} else {
			char path[160];

			snprintf(path, sizeof(path), "%s/%s", world.path, file);
			unlink(path);
		}
		if (!((r >> 24) % 5))
			uv_run(&world.loop, UV_RUN_NOWAIT);
		if (!((r >> 24) % 37))
			barrier();
	}
	barrier();
	{
		struct warder_store *watched = world.store;
		struct warder_object *const *a, *const *b;
		size_t n_a, n_b;

		world.store = warder_store_new();
		CU_ASSERT(!warder_directory_read(world.path, &sink, NULL, NULL, &world.error));
		a = warder_store_list(watched, WARDER_KIND_POD, &n_a);
		b = warder_store_list(world.store, WARDER_KIND_POD, &n_b);
		CU_ASSERT_FATAL(n_a == n_b);
		for (size_t i = 0; i < n_a; i++)
			CU_ASSERT(warder_object_equal(a[i], b[i]));
		warder_store_free(world.store);
		world.store = watched;
	}
	end();
}

static const struct suite_test tests[] = {
	{"first read", test_first_read},
	{"events", test_events},
	{"only changes are told", test_only_changes},
	{"a broken file", test_broken_file},
	{"restart", test_restart},
	{"duplicates", test_duplicates},
	{"objects move without a flap", test_moves},
	{"a mounted ConfigMap", test_configmap},
	{"links", test_links},
	{"the directory made again", test_directory_made_again},
	{"the directory is missing", test_directory_missing},
	{"a half-written file", test_half_written},
	{"barrier", test_barrier},
	{"kinds are told", test_kinds_told},
	{"read once", test_read_once},
	{"random edits", test_random_edits},
};

SUITE("directory", tests)
