/*
 * What a module of the Fleet Protocol offers to the External Server.
 *
 * A module is a shared library that exports every function below. The server makes one context for
 * each car. Calls on one context come one after the other, but wait_for_command runs beside them,
 * so a context needs a lock. Calls on different contexts may run at the same time.
 */
#ifndef FLEET_MODULE_H
#define FLEET_MODULE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What functions return. */
#define OK 0
#define NOT_OK (-1)
#define CONTEXT_INCORRECT (-11)
#define TIMEOUT_OCCURRED (-12)

/* Why a device is disconnected. */
#define DISCONNECT_ANNOUNCED 0
#define DISCONNECT_TIMEOUT 1
#define DISCONNECT_ERROR 2

/* Bytes with their count. Texts are UTF-8 and have no zero at their end. */
struct buffer {
    void *data;
    size_t size_in_bytes;
};

/* A device; two are the same when module, type and role are. The priority is always 0. */
struct device_identification {
    int module;
    unsigned device_type;
    struct buffer device_role;
    struct buffer device_name;
    unsigned priority;
};

struct key_value {
    struct buffer key;
    struct buffer value;
};

/* What init gets: company_name, car_name, then the module's configuration. */
struct config {
    struct key_value *parameters;
    size_t size;
};

/* The number under which the module stands in the server's configuration. */
int get_module_number(void);

/* OK when devices of this type belong to the module, else NOT_OK. */
int is_device_type_supported(unsigned device_type);

/* Makes a context for one car; NULL when that fails. What config points to ends with the call. */
void *init(struct config config);

/* Ends a context and sets the pointer to NULL. No other call is running or will come. */
int destroy(void **context);

/* A device has sent a status, or an error message. What is passed ends with the call: copy it. */
int forward_status(struct buffer status, struct device_identification device, void *context);
int forward_error_message(struct buffer message, struct device_identification device, void *context);

/* A device has come, or gone; OK accepts it. */
int device_connected(struct device_identification device, void *context);
int device_disconnected(int disconnect_type, struct device_identification device, void *context);

/*
 * Waits until there is a command: OK, or at most timeout_ms: TIMEOUT_OCCURRED.
 * Please honor the timeout: a context can only be destroyed after this has returned.
 */
int wait_for_command(int timeout_ms, void *context);

/*
 * Hands out the oldest command and returns how many remain, or a negative number when there is
 * none. The command, the device's role and its name must have been allocated with allocate; the
 * server gives each back with deallocate.
 */
int pop_command(struct buffer *command, struct device_identification *device, void *context);

/* A device has received a command that pop_command had handed out. */
int command_ack(struct buffer command, struct device_identification device, void *context);

/* Allocates a buffer of this size; OK or NOT_OK. */
int allocate(struct buffer *buffer, size_t size_in_bytes);

/* Frees what allocate made. */
void deallocate(struct buffer *buffer);

#ifdef __cplusplus
}
#endif

#endif
