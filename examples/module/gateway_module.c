/*
 * The car's side of the module to copy: buttons (device type 0) and LEDs (device type 1).
 *
 * A Module Gateway loads it, and asks it about each status and command of these devices. A button
 * reports {"pressed": true} or {"pressed": false}, an LED {"lit": true} or {"lit": false}. An LED's
 * command is {"lit": ...}; a button has none to obey, and is answered with {}.
 *
 * There is nothing to lock and nothing to keep: what a function needs is in its arguments. A gateway
 * may load the library into several processes, each with variables of its own.
 *
 * Build: make    (or: cc -std=c11 -O2 -Wall -Wextra -fPIC -shared -o build/gateway_module.so gateway_module.c)
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_gateway_module.h"

#define MODULE_NUMBER 1000
#define BUTTON 0u
#define LED 1u

/* Memory. Whatever crosses the border to the gateway is allocated and freed by these two. */

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

static int copy_bytes(struct buffer *to, const void *bytes, size_t size) {
    if (allocate(to, size) != OK) return NOT_OK;
    if (size > 0) memcpy(to->data, bytes, size);
    return OK;
}

static int copy_text(struct buffer *to, const char *text) { return copy_bytes(to, text, strlen(text)); }

/* Statuses. A real module would use a JSON library; one boolean does not need one. */

/* Reads {"name": true} or {"name": false}, and nothing else. */
static bool read_boolean(struct buffer json, const char *name, bool *value) {
    char text[64], word[8];
    int end = 0;
    if (json.size_in_bytes == 0 || json.size_in_bytes >= sizeof text) return false;
    /* sscanf needs a zero at the end, which buffers do not have. */
    memcpy(text, json.data, json.size_in_bytes);
    text[json.size_in_bytes] = '\0';
    char format[48];
    snprintf(format, sizeof format, " { \"%s\" : %%7[a-z] } %%n", name);
    if (sscanf(text, format, word, &end) != 1 || end != (int)json.size_in_bytes) return false;
    *value = strcmp(word, "true") == 0;
    return *value || strcmp(word, "false") == 0;
}

/* What a device of this type calls its state. */
static const char *state_name(unsigned int device_type) { return device_type == BUTTON ? "pressed" : "lit"; }

/* The interface. */

int get_module_number(void) { return MODULE_NUMBER; }

int is_device_type_supported(unsigned int device_type) {
    return device_type == BUTTON || device_type == LED ? OK : NOT_OK;
}

int generate_first_command(struct buffer *default_command, unsigned int device_type) {
    return copy_text(default_command, device_type == LED ? "{\"lit\": false}" : "{}");
}

int status_data_valid(const struct buffer status, unsigned int device_type) {
    bool value;
    return read_boolean(status, state_name(device_type), &value) ? OK : NOT_OK;
}

int command_data_valid(const struct buffer command, unsigned int device_type) {
    bool value;
    return device_type == LED && read_boolean(command, "lit", &value) ? OK : NOT_OK;
}

int send_status_condition(const struct buffer current_status, const struct buffer new_status,
                          unsigned int device_type) {
    bool before = false, now = false;
    if (!read_boolean(current_status, state_name(device_type), &before)) return OK;
    if (!read_boolean(new_status, state_name(device_type), &now)) return CONDITION_NOT_MET;
    return before != now ? OK : CONDITION_NOT_MET;
}

int aggregate_status(struct buffer *aggregated_status, const struct buffer current_status,
                     const struct buffer new_status, unsigned int device_type) {
    /* The newest says it all. One that counts something would add the two up. */
    (void)current_status;
    (void)device_type;
    return copy_bytes(aggregated_status, new_status.data, new_status.size_in_bytes);
}

int generate_command(struct buffer *generated_command, const struct buffer new_status,
                     const struct buffer current_status, const struct buffer current_command,
                     unsigned int device_type) {
    /* A place for what must not wait for the cloud, such as an LED that follows a button by itself. */
    (void)new_status;
    (void)current_status;
    (void)device_type;
    return copy_bytes(generated_command, current_command.data, current_command.size_in_bytes);
}

int aggregate_error(struct buffer *error_message, const struct buffer current_error_message,
                    const struct buffer status, unsigned int device_type) {
    /* {"missed": n}: how many statuses the cloud has not seen. */
    char text[64] = "";
    unsigned missed = 0;
    (void)status;
    (void)device_type;
    if (current_error_message.size_in_bytes > 0 && current_error_message.size_in_bytes < sizeof text) {
        memcpy(text, current_error_message.data, current_error_message.size_in_bytes);
        if (sscanf(text, " { \"missed\" : %u }", &missed) != 1) missed = 0;
    }
    snprintf(text, sizeof text, "{\"missed\": %u}", missed + 1);
    return copy_text(error_message, text);
}
