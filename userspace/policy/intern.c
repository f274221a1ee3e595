/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open addressing over one growing block of bytes.  The hash has a secret of this process, since
 * whoever may write labels chooses keys; numbers do not depend on it.
 */
#include "policy/intern.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/memory.h"

static uint64_t secret(void)
{
	static uint64_t value;

	if (!value && getrandom(&value, sizeof(value), GRND_NONBLOCK) != sizeof(value))
		value = 0x9e3779b97f4a7c15;
	return value | 1;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint32_t hash_of(const unsigned char *bytes, size_t size)
{
	uint64_t hash = secret() ^ size, word;

	for (; size >= 8; bytes += 8, size -= 8) {
		memcpy(&word, bytes, 8);
		hash = mix(hash ^ word, 0xa0761d6478bd642f ^ secret());
	}
	word = 0;
	if (size)
		memcpy(&word, bytes, size);
	hash = mix(hash ^ word, 0xe7037ed1a0b428db ^ secret());
	return hash ^ hash >> 32;
}

/* The place in the table where the key is, or where it would go. */
static uint32_t place(const struct intern *intern, uint32_t hash, const void *bytes, size_t size)
{
	uint32_t mask = intern->table_size - 1, at = hash & mask;

	for (; intern->table[at]; at = (at + 1) & mask) {
		const struct intern_entry *entry = &intern->entries[intern->table[at] - 1];

		if (entry->hash == hash && entry->size == size &&
		    (!size || !memcmp(intern->bytes + entry->at, bytes, size)))
			break;
	}
	return at;
}

static void grow_table(struct intern *intern)
{
	uint32_t mask;

	if (intern->table_size > intern->n * 2)
		return;
	intern->table_size = intern->table_size ? intern->table_size * 2 : 64;
	mask = intern->table_size - 1;
	free(intern->table);
	intern->table = NEW_ARRAY(uint32_t, intern->table_size);
	for (uint32_t i = 0; i < intern->n; i++) {
		uint32_t at = intern->entries[i].hash & mask;

		while (intern->table[at])
			at = (at + 1) & mask;
		intern->table[at] = i + 1;
	}
}

uint32_t intern_find(const struct intern *intern, const void *bytes, size_t size)
{
	if (!intern->n)
		return INTERN_NONE;
	return intern->table[place(intern, hash_of(bytes, size), bytes, size)] - 1;
}

uint32_t intern_add(struct intern *intern, const void *bytes, size_t size)
{
	uint32_t hash = hash_of(bytes, size), at;
	size_t need = intern->n_bytes + ((size + 7) & ~(size_t)7);

	grow_table(intern);
	at = place(intern, hash, bytes, size);
	if (intern->table[at])
		return intern->table[at] - 1;
	if (need > intern->room) {
		intern->room = need * 2;
		intern->bytes = warder_memory_resize(intern->bytes, intern->room, 1);
	}
	if (size)
		memcpy(intern->bytes + intern->n_bytes, bytes, size);
	PUSH(intern->entries, intern->n) =
		(struct intern_entry){.at = intern->n_bytes, .size = size, .hash = hash};
	intern->n_bytes = need;
	intern->table[at] = intern->n;
	return intern->n - 1;
}

const void *intern_get(const struct intern *intern, uint32_t number, size_t *ret_size)
{
	if (ret_size)
		*ret_size = intern->entries[number].size;
	return intern->bytes + intern->entries[number].at;
}

void intern_clear(struct intern *intern)
{
	free(intern->bytes);
	free(intern->entries);
	free(intern->table);
	*intern = (struct intern){0};
}

void intern_key_put(struct intern_key *key, const void *bytes, size_t size)
{
	if (key->n + size > key->room) {
		key->room = (key->n + size) * 2;
		key->bytes = warder_memory_resize(key->bytes, key->room, 1);
	}
	if (size)
		memcpy(key->bytes + key->n, bytes, size);
	key->n += size;
}

void intern_key_number(struct intern_key *key, uint32_t number)
{
	intern_key_put(key, &number, sizeof(number));
}

void intern_key_text(struct intern_key *key, const char *text)
{
	size_t length = text ? strlen(text) : 0;

	intern_key_number(key, text ? length + 1 : 0);
	intern_key_put(key, text, length);
}
