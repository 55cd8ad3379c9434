/*
 * The functions of a module on the car's side, which a Module Gateway loads. Include this in the
 * source of the library; the functions must be exported, in C++ as extern "C".
 */
#ifndef FLEET_GATEWAY_MODULE_H
#define FLEET_GATEWAY_MODULE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OK 0
#define NOT_OK -1
/* send_status_condition: the new status need not be sent at once. */
#define CONDITION_NOT_MET -11

/* Bytes, not text: there is no NUL at the end. One that is absent is { NULL, 0 }. */
struct buffer {
    void *data;
    size_t size_in_bytes;
};

/* Memory of what the module makes: it allocates, and the gateway gives it back once. */
int allocate(struct buffer *buffer, size_t size_in_bytes);
void deallocate(struct buffer *buffer);

/* The module's number in the gateway's configuration. */
int get_module_number(void);
/* OK: the module knows devices of this type. */
int is_device_type_supported(unsigned int device_type);

/* The command of a device until the cloud has sent one. */
int generate_first_command(struct buffer *default_command, unsigned int device_type);
/* OK: the status may go on. A device whose status is refused loses its connection. */
int status_data_valid(const struct buffer status, unsigned int device_type);
/* OK: the command may go to the device. */
int command_data_valid(const struct buffer command, unsigned int device_type);
/* OK: the new status is sent to the cloud at once. Others are sent every 15 seconds, aggregated. */
int send_status_condition(const struct buffer current_status, const struct buffer new_status,
                          unsigned int device_type);
/* Makes one status of two. */
int aggregate_status(struct buffer *aggregated_status, const struct buffer current_status,
                     const struct buffer new_status, unsigned int device_type);
/* Makes the answer to a status from the last command. */
int generate_command(struct buffer *generated_command, const struct buffer new_status,
                     const struct buffer current_status, const struct buffer current_command,
                     unsigned int device_type);
/* Adds a status that could not be sent to the error message; without one yet, that is absent. */
int aggregate_error(struct buffer *error_message, const struct buffer current_error_message,
                    const struct buffer status, unsigned int device_type);
/* May be left out. OK: commands go to the device at once, instead of with its next status. */
int forward_command_on_receive(unsigned int device_type);

#ifdef __cplusplus
}
#endif

#endif
