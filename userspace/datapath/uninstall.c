/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removes what Warder attached, and nothing else: links by their pins, which end them; filters by
 * handle, priority and the name of the program.  Qdiscs stay: others may use them, and an empty one
 * costs nothing.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "datapath/state.h"

struct removal {
	const struct warder_pins *pins;
};

/* Detached at once, even where a descriptor of the link is still open somewhere. */
static int detach_link(void *data, const char *name)
{
	const struct removal *removal = data;
	int fd = warder_pins_get_link(removal->pins, name);

	if (fd < 0)
		return fd;
	bpf_link_detach(fd); /* an interface that is gone has nothing to detach */
	close(fd);
	return 0;
}

static int remove_filters(struct warder_error *error)
{
	struct if_nameindex *all = if_nameindex();
	int rc = all ? 0 : -errno;

	for (struct if_nameindex *one = all; !rc && one && one->if_index; one++) {
		for (int side = 0; side < WARDER_SIDES; side++) {
			int removed = warder_attach_remove_filter(one->if_index, side);

			if (removed < 0 && removed != -ENODEV)
				rc = warder_error_set(error, removed,
						      "cannot remove the filter at %s: %s",
						      one->if_name, strerror(-removed));
		}
	}
	if_freenameindex(all);
	return rc;
}

bool warder_datapath_is_used(const char *bpffs)
{
	int fd = warder_pins_lock(bpffs, NULL);

	warder_pins_unlock(fd);
	return fd == -EBUSY;
}

int warder_datapath_uninstall(const char *bpffs, struct warder_error *error)
{
	struct warder_pins pins;
	struct removal removal = {&pins};
	int rc = warder_pins_find(bpffs, &pins);

	if (!rc)
		rc = warder_pins_each_link(&pins, detach_link, &removal);
	if (rc && rc != -ENOENT)
		return warder_error_set(error, rc, "cannot detach the links below %s: %s", bpffs,
					strerror(-rc));
	return remove_filters(error) ?: warder_pins_remove_all(bpffs, error);
}
