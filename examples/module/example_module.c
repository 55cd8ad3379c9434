/*
 * A module to copy: buttons (device type 0) and LEDs (device type 1).
 *
 * A button reports {"pressed": true} or {"pressed": false}; the module then has every LED of the
 * same car lit or put out with the command {"lit": true} or {"lit": false}. An LED reports
 * {"lit": ...}; one that differs from what the button wants is told again. So every status of a
 * button is answered with commands, and an LED that comes later learns what it missed.
 *
 * Build: make    (or: cc -std=c11 -O2 -Wall -Wextra -fPIC -shared -pthread -o build/example_module.so example_module.c)
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fleet_module.h"

#define MODULE_NUMBER 1000
#define BUTTON 0u
#define LED 1u

/* LEDs and waiting commands are bounded: a server that never asks must not fill the memory. */
#define MAX_LEDS 64
#define MAX_COMMANDS 1024

struct led {
    struct led *next;
    struct buffer role;
    struct buffer name;
};

struct command {
    struct command *next;
    bool lit;
    struct buffer role;
    struct buffer name;
};

/* Everything of one car. wait_for_command runs beside the other calls, so all of it needs the lock. */
struct context {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ending;
    bool pressed;
    struct led *leds;
    int led_count;
    struct command *oldest;
    struct command **newest;
    int command_count;
};

/* Memory. Whatever crosses the border to the server is allocated and freed by these two. */

int allocate(struct buffer *buffer, size_t size_in_bytes) {
    /* malloc(0) may return NULL, which would look like a failure. */
    buffer->data = malloc(size_in_bytes > 0 ? size_in_bytes : 1);
    buffer->size_in_bytes = buffer->data != NULL ? size_in_bytes : 0;
    return buffer->data != NULL ? OK : NOT_OK;
}

void deallocate(struct buffer *buffer) {
    free(buffer->data);
    buffer->data = NULL;
    buffer->size_in_bytes = 0;
}

static int copy_bytes(struct buffer *copy, const void *bytes, size_t size) {
    if (allocate(copy, size) != OK) return NOT_OK;
    if (size > 0) memcpy(copy->data, bytes, size);
    return OK;
}

static int copy_buffer(struct buffer *copy, struct buffer original) {
    return copy_bytes(copy, original.data, original.size_in_bytes);
}

static bool same_bytes(struct buffer a, struct buffer b) {
    return a.size_in_bytes == b.size_in_bytes &&
           (a.size_in_bytes == 0 || memcmp(a.data, b.data, a.size_in_bytes) == 0);
}

/* Statuses. A real module would use a JSON library; one boolean does not need one. */

static const char *find(const char *text, const char *end, const char *word) {
    size_t length = strlen(word);
    for (; (size_t)(end - text) >= length; text++) {
        if (memcmp(text, word, length) == 0) return text + length;
    }
    return NULL;
}

/* Reads the boolean member of a JSON object; false when there is none. Texts have no zero at the end. */
static bool read_boolean(struct buffer json, const char *quoted_name, bool *value) {
    if (json.size_in_bytes == 0) return false;
    const char *end = (const char *)json.data + json.size_in_bytes;
    const char *at = find(json.data, end, quoted_name);
    while (at != NULL && at < end && (*at == ' ' || *at == ':' || *at == '\t')) at++;
    if (at == NULL) return false;
    if (end - at >= 4 && memcmp(at, "true", 4) == 0) *value = true;
    else if (end - at >= 5 && memcmp(at, "false", 5) == 0) *value = false;
    else return false;
    return true;
}

/* LEDs and commands; the caller holds the lock. */

static void free_led(struct led *led) {
    deallocate(&led->role);
    deallocate(&led->name);
    free(led);
}

static struct led **find_led(struct context *context, struct buffer role) {
    struct led **link = &context->leds;
    while (*link != NULL && !same_bytes((*link)->role, role)) link = &(*link)->next;
    return link;
}

static int add_led(struct context *context, struct device_identification device) {
    struct led **link = find_led(context, device.device_role);
    if (*link != NULL) return OK;
    if (context->led_count >= MAX_LEDS) return NOT_OK;
    struct led *led = calloc(1, sizeof *led);
    if (led == NULL) return NOT_OK;
    if (copy_buffer(&led->role, device.device_role) != OK ||
        copy_buffer(&led->name, device.device_name) != OK) {
        free_led(led);
        return NOT_OK;
    }
    *link = led;
    context->led_count++;
    return OK;
}

static void remove_led(struct context *context, struct buffer role) {
    struct led **link = find_led(context, role);
    struct led *led = *link;
    if (led == NULL) return;
    *link = led->next;
    context->led_count--;
    free_led(led);
}

static void free_command(struct command *command) {
    deallocate(&command->role);
    deallocate(&command->name);
    free(command);
}

static int command_led(struct context *context, struct buffer role, struct buffer name) {
    if (context->command_count >= MAX_COMMANDS) return NOT_OK;
    struct command *command = calloc(1, sizeof *command);
    if (command == NULL) return NOT_OK;
    command->lit = context->pressed;
    if (copy_buffer(&command->role, role) != OK || copy_buffer(&command->name, name) != OK) {
        free_command(command);
        return NOT_OK;
    }
    *context->newest = command;
    context->newest = &command->next;
    context->command_count++;
    pthread_cond_signal(&context->changed);
    return OK;
}

/* The interface. */

int get_module_number(void) { return MODULE_NUMBER; }

int is_device_type_supported(unsigned device_type) {
    return device_type == BUTTON || device_type == LED ? OK : NOT_OK;
}

void *init(struct config config) {
    /* This module has no settings. One that has would copy them: they end with this call. */
    (void)config;
    struct context *context = calloc(1, sizeof *context);
    if (context == NULL) return NULL;
    context->newest = &context->oldest;
    pthread_mutex_init(&context->lock, NULL);
    /* The monotonic clock: a wait must not change its length when somebody sets the time. */
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&context->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return context;
}

int destroy(void **pointer) {
    if (pointer == NULL || *pointer == NULL) return CONTEXT_INCORRECT;
    struct context *context = *pointer;
    /* A server that keeps to the rules is not waiting now; waking costs nothing all the same. */
    pthread_mutex_lock(&context->lock);
    context->ending = true;
    pthread_cond_broadcast(&context->changed);
    while (context->leds != NULL) remove_led(context, context->leds->role);
    struct command *command = context->oldest;
    while (command != NULL) {
        struct command *next = command->next;
        free_command(command);
        command = next;
    }
    pthread_mutex_unlock(&context->lock);
    pthread_cond_destroy(&context->changed);
    pthread_mutex_destroy(&context->lock);
    free(context);
    *pointer = NULL;
    return OK;
}

int device_connected(struct device_identification device, void *pointer) {
    struct context *context = pointer;
    if (context == NULL) return CONTEXT_INCORRECT;
    if (device.device_type != LED) return is_device_type_supported(device.device_type);
    pthread_mutex_lock(&context->lock);
    int result = add_led(context, device);
    pthread_mutex_unlock(&context->lock);
    return result;
}

int device_disconnected(int disconnect_type, struct device_identification device, void *pointer) {
    struct context *context = pointer;
    (void)disconnect_type;
    if (context == NULL) return CONTEXT_INCORRECT;
    pthread_mutex_lock(&context->lock);
    if (device.device_type == LED) remove_led(context, device.device_role);
    pthread_mutex_unlock(&context->lock);
    return OK;
}

int forward_status(struct buffer status, struct device_identification device, void *pointer) {
    struct context *context = pointer;
    if (context == NULL) return CONTEXT_INCORRECT;
    bool value = false;
    const char *name = device.device_type == BUTTON ? "\"pressed\"" : "\"lit\"";
    if (!read_boolean(status, name, &value)) return NOT_OK;
    int result = OK;
    pthread_mutex_lock(&context->lock);
    if (device.device_type == BUTTON) {
        context->pressed = value;
        for (struct led *led = context->leds; led != NULL; led = led->next) {
            if (command_led(context, led->role, led->name) != OK) result = NOT_OK;
        }
    } else if (value != context->pressed) {
        result = command_led(context, device.device_role, device.device_name);
    }
    pthread_mutex_unlock(&context->lock);
    return result;
}

int forward_error_message(struct buffer message, struct device_identification device, void *context) {
    /* A place for an alarm: the bytes are whatever the device's own software wrote. */
    (void)message;
    (void)device;
    return context != NULL ? OK : CONTEXT_INCORRECT;
}

int wait_for_command(int timeout_ms, void *pointer) {
    struct context *context = pointer;
    if (context == NULL) return CONTEXT_INCORRECT;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&context->lock);
    int waited = 0;
    while (context->oldest == NULL && !context->ending && waited != ETIMEDOUT) {
        waited = pthread_cond_timedwait(&context->changed, &context->lock, &until);
    }
    int result = context->oldest != NULL ? OK : TIMEOUT_OCCURRED;
    pthread_mutex_unlock(&context->lock);
    return result;
}

int pop_command(struct buffer *data, struct device_identification *device, void *pointer) {
    struct context *context = pointer;
    if (context == NULL) return CONTEXT_INCORRECT;
    pthread_mutex_lock(&context->lock);
    struct command *command = context->oldest;
    const char *text = command != NULL && command->lit ? "{\"lit\": true}" : "{\"lit\": false}";
    int result = NOT_OK;
    if (command != NULL && copy_bytes(data, text, strlen(text)) == OK) {
        device->module = MODULE_NUMBER;
        device->device_type = LED;
        device->priority = 0;
        /* Role and name change hands: the server gives them back with deallocate. */
        device->device_role = command->role;
        device->device_name = command->name;
        context->oldest = command->next;
        if (context->oldest == NULL) context->newest = &context->oldest;
        context->command_count--;
        free(command);
        result = context->command_count;
    }
    pthread_mutex_unlock(&context->lock);
    return result;
}

int command_ack(struct buffer command, struct device_identification device, void *context) {
    /* The LED has the command. One that must not get lost would be kept until now. */
    (void)command;
    (void)device;
    return context != NULL ? OK : CONTEXT_INCORRECT;
}
