/*
 * A module that costs next to nothing: it takes statuses and, on demand, has commands at a pace.
 *
 *   commands_per_second  number: the pace; default 0. Each command carries the moment in which
 *                        wait_for_command returned, CLOCK_MONOTONIC in microseconds, 8 bytes
 *   command_bytes        number: its size; default 8, which is the least
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../examples/module/fleet_module.h"

struct state {
    long period_us;
    unsigned long long next_us;
    unsigned long long returned_us;
    int connected;
    size_t command_bytes;
};

static unsigned long long now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000;
}

static void sleep_until(unsigned long long us) {
    struct timespec until = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) {
    }
}

int allocate(struct buffer *buffer, size_t size) {
    buffer->data = malloc(size > 0 ? size : 1);
    buffer->size_in_bytes = size;
    return buffer->data != NULL ? OK : NOT_OK;
}

void deallocate(struct buffer *buffer) {
    free(buffer->data);
    buffer->data = NULL;
    buffer->size_in_bytes = 0;
}

int get_module_number(void) { return 1000; }

int is_device_type_supported(unsigned device_type) {
    (void)device_type;
    return OK;
}

static int is(struct buffer key, const char *name) {
    return key.size_in_bytes == strlen(name) && memcmp(key.data, name, key.size_in_bytes) == 0;
}

void *init(struct config config) {
    struct state *state = calloc(1, sizeof *state);
    if (state == NULL) return NULL;
    state->command_bytes = 8;
    unsigned seed = (unsigned)now_us();
    for (size_t i = 0; i < config.size; i++) {
        struct buffer key = config.parameters[i].key, value = config.parameters[i].value;
        char text[16] = "";
        memcpy(text, value.data, value.size_in_bytes < 15 ? value.size_in_bytes : 15);
        long number = strtol(text, NULL, 10);
        if (is(key, "commands_per_second") && number > 0) state->period_us = 1000000 / number;
        if (is(key, "command_bytes") && number > 8) state->command_bytes = (size_t)number;
    }
    /* At a random point of the period: cars must not move in step. */
    if (state->period_us > 0) state->next_us = now_us() + (unsigned)rand_r(&seed) % (unsigned)state->period_us;
    return state;
}

int destroy(void **context) {
    free(*context);
    *context = NULL;
    return OK;
}

int forward_status(struct buffer data, struct device_identification device, void *context) {
    (void)data, (void)device, (void)context;
    return OK;
}

int forward_error_message(struct buffer data, struct device_identification device, void *context) {
    return forward_status(data, device, context);
}

int device_connected(struct device_identification device, void *context) {
    (void)device;
    __atomic_store_n(&((struct state *)context)->connected, 1, __ATOMIC_RELAXED);
    return OK;
}

int device_disconnected(int type, struct device_identification device, void *context) {
    (void)type, (void)device;
    __atomic_store_n(&((struct state *)context)->connected, 0, __ATOMIC_RELAXED);
    return OK;
}

int command_ack(struct buffer data, struct device_identification device, void *context) {
    return forward_status(data, device, context);
}

int wait_for_command(int timeout_ms, void *context) {
    struct state *state = context;
    unsigned long long now = now_us(), end = now + (unsigned long long)timeout_ms * 1000;
    while (state->period_us > 0 && state->next_us < end) {
        sleep_until(state->next_us);
        while (state->next_us <= now_us()) state->next_us += (unsigned long long)state->period_us;
        if (__atomic_load_n(&state->connected, __ATOMIC_RELAXED) == 0) continue;
        state->returned_us = now_us();
        return OK;
    }
    sleep_until(end);
    return TIMEOUT_OCCURRED;
}

int pop_command(struct buffer *data, struct device_identification *device, void *context) {
    struct state *state = context;
    memset(device, 0, sizeof *device);
    device->module = 1000;
    if (allocate(data, state->command_bytes) != OK || allocate(&device->device_role, 6) != OK ||
        allocate(&device->device_name, 8) != OK) {
        return NOT_OK;
    }
    memset(data->data, 0, state->command_bytes);
    memcpy(data->data, &state->returned_us, 8);
    memcpy(device->device_role.data, "role_1", 6);
    memcpy(device->device_name.data, "device_1", 8);
    return 0;
}
