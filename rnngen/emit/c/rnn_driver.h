/* A driver for the accelerator's control port, written by rnngen.  C99, no allocation, header only.

   Give two functions that access a register of 32 bits by its byte offset, and a number of polls:

       static int my_read(void *context, uint32_t offset, uint32_t *value) { ... return 0; }
       static int my_write(void *context, uint32_t offset, uint32_t value) { ... return 0; }

       rnn_device device = { my_read, my_write, NULL, 1000000u };
       static const uint32_t digest[4] = RNN_DESIGN_DIGEST;
       if (rnn_probe(&device, digest) != RNN_OK) ...

   Either function returns 0 once the access is done.  Every function below returns RNN_OK or one of rnn_status;
   rnn_status_text says it in words.  Steps go over the streams and are not this driver's. */
#ifndef RNN_DRIVER_H
#define RNN_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#include "rnn_registers.h"

#define RNN_IDENTITY_VALUE 0x474E4E52u
#define RNN_MAP_MAJOR 1u

typedef struct {
    int (*read)(void *context, uint32_t offset, uint32_t *value);
    int (*write)(void *context, uint32_t offset, uint32_t value);
    void *context;  /* handed to both */
    uint32_t polls; /* reads of a register that is waited for, at most */
} rnn_device;

typedef enum {
    RNN_OK = 0,
    RNN_BAD_ACCESS,   /* read or write failed */
    RNN_BAD_IDENTITY, /* no accelerator of rnngen answers */
    RNN_BAD_VERSION,  /* its register table is another one */
    RNN_BAD_DIGEST,   /* it computes another design */
    RNN_TIMEOUT,      /* it did not become idle in the polls that were given */
    RNN_BAD_IMAGE,    /* what should be loaded is no image of parameters, or damaged */
    RNN_NOT_LOADED    /* the accelerator did not take all of it; it is stopped, or keeps its old parameters */
} rnn_status;

typedef struct {
    uint64_t cycles;
    uint32_t steps_in, steps_out, input_stalls, output_stalls, saturations;
} rnn_counters;

static inline const char *rnn_status_text(int status)
{
    static const char *const texts[] = {
        "done",
        "an access to a register failed",
        "no accelerator of rnngen answers",
        "the register table is another one than this driver's",
        "the accelerator computes another design",
        "the accelerator did not become idle in time",
        "the image of parameters is none, or damaged",
        "the accelerator did not take all parameters",
    };
    return status >= 0 && (size_t)status < sizeof texts / sizeof texts[0] ? texts[status] : "unknown status";
}

static inline int rnn_get(const rnn_device *device, uint32_t offset, uint32_t *value)
{
    return device->read(device->context, offset, value) ? RNN_BAD_ACCESS : RNN_OK;
}

static inline int rnn_set(const rnn_device *device, uint32_t offset, uint32_t value)
{
    return device->write(device->context, offset, value) ? RNN_BAD_ACCESS : RNN_OK;
}

/* Checks identity and version, and the first 128 bits of the design's digest unless `digest` is NULL. */
static inline int rnn_probe(const rnn_device *device, const uint32_t *digest)
{
    uint32_t value = 0, index;
    if (rnn_get(device, RNN_IDENTITY, &value))
        return RNN_BAD_ACCESS;
    if (value != RNN_IDENTITY_VALUE)
        return RNN_BAD_IDENTITY;
    if (rnn_get(device, RNN_VERSION, &value))
        return RNN_BAD_ACCESS;
    if ((value & RNN_VERSION_MAJOR_MASK) >> RNN_VERSION_MAJOR_SHIFT != RNN_MAP_MAJOR)
        return RNN_BAD_VERSION;
    for (index = 0; digest && index < 4; index++) {
        if (rnn_get(device, RNN_DIGEST0 + 4u * index, &value))
            return RNN_BAD_ACCESS;
        if (value != digest[index])
            return RNN_BAD_DIGEST;
    }
    return RNN_OK;
}

/* Input is accepted. */
static inline int rnn_enable(const rnn_device *device)
{
    return rnn_set(device, RNN_CONTROL, RNN_CONTROL_ENABLE_MASK);
}

/* Waits until no step is inside. */
static inline int rnn_wait_idle(const rnn_device *device)
{
    uint32_t poll, value = 0;
    for (poll = 0; poll < device->polls; poll++) {
        if (rnn_get(device, RNN_STATUS, &value))
            return RNN_BAD_ACCESS;
        if (value & RNN_STATUS_IDLE_MASK)
            return RNN_OK;
    }
    return RNN_TIMEOUT;
}

/* No further input is accepted; waits until what was is out. */
static inline int rnn_stop(const rnn_device *device)
{
    int status = rnn_set(device, RNN_CONTROL, 0);
    return status ? status : rnn_wait_idle(device);
}

/* The next step of every stream is the first of a sequence; input is accepted. */
static inline int rnn_clear_state(const rnn_device *device)
{
    return rnn_set(device, RNN_CONTROL, RNN_CONTROL_ENABLE_MASK | RNN_CONTROL_CLEAR_STATE_MASK);
}

/* All counters are 0; input is accepted. */
static inline int rnn_clear_counters(const rnn_device *device)
{
    return rnn_set(device, RNN_CONTROL, RNN_CONTROL_ENABLE_MASK | RNN_CONTROL_CLEAR_COUNTERS_MASK);
}

static inline int rnn_read_counters(const rnn_device *device, rnn_counters *counters)
{
    uint32_t low = 0, high = 0;
    int status = rnn_get(device, RNN_CYCLES_LOW, &low);
    if (!status)
        status = rnn_get(device, RNN_CYCLES_HIGH, &high);
    counters->cycles = (uint64_t)high << 32 | low;
    if (!status)
        status = rnn_get(device, RNN_STEPS_IN, &counters->steps_in);
    if (!status)
        status = rnn_get(device, RNN_STEPS_OUT, &counters->steps_out);
    if (!status)
        status = rnn_get(device, RNN_INPUT_STALLS, &counters->input_stalls);
    if (!status)
        status = rnn_get(device, RNN_OUTPUT_STALLS, &counters->output_stalls);
    if (!status)
        status = rnn_get(device, RNN_SATURATIONS, &counters->saturations);
    return status;
}

/* Bits of the register ERRORS (RNN_ERRORS_..._MASK). */
static inline int rnn_read_errors(const rnn_device *device, uint32_t *errors)
{
    return rnn_get(device, RNN_ERRORS, errors);
}

static inline int rnn_clear_errors(const rnn_device *device)
{
    return rnn_set(device, RNN_ERRORS, 0xFFFFFFFFu);
}

/* CRC-32 (that of zlib) with further bytes; begin with 0. */
static inline uint32_t rnn_crc32(uint32_t crc, const uint8_t *bytes, size_t count)
{
    static const uint32_t table[16] = {
        0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
        0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
    };
    crc = ~crc;
    while (count--) {
        crc ^= *bytes++;
        crc = crc >> 4 ^ table[crc & 15u];
        crc = crc >> 4 ^ table[crc & 15u];
    }
    return ~crc;
}

static inline uint32_t rnn_word(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static inline int rnn_set_counted(const rnn_device *device, uint32_t offset, uint32_t value, uint32_t *crc)
{
    uint8_t bytes[4];
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
    bytes[2] = (uint8_t)(value >> 16);
    bytes[3] = (uint8_t)(value >> 24);
    *crc = rnn_crc32(*crc, bytes, 4);
    return rnn_set(device, offset, value);
}

/* The records of an image that was checked. */
static inline int rnn_load_records(const rnn_device *device, const uint8_t *image, uint32_t *crc)
{
    const uint8_t *place = image + 24;
    uint32_t record, records = rnn_word(image + 4);
    for (record = 0; record < records; record++) {
        uint32_t parts = rnn_word(place + 4), words = rnn_word(place + 8), count = parts * words, loaded = 0;
        if (rnn_set_counted(device, RNN_LOAD_SELECT, rnn_word(place), crc)
            || rnn_set_counted(device, RNN_LOAD_ADDRESS, 0, crc))
            return RNN_BAD_ACCESS;
        for (place += 12; count; count--, place += 4)
            if (rnn_set_counted(device, RNN_LOAD_DATA, rnn_word(place), crc))
                return RNN_BAD_ACCESS;
        if (rnn_get(device, RNN_LOAD_STATUS, &loaded))
            return RNN_BAD_ACCESS;
        if (loaded != words)
            return RNN_NOT_LOADED;
    }
    return RNN_OK;
}

/* Whether `bytes` bytes are a whole and sound image (data/parameters.bin of a design folder). */
static inline int rnn_check_image(const uint8_t *image, size_t bytes)
{
    size_t place = 24;
    uint32_t record, records;
    if (bytes < 28 || rnn_word(image) != 0x574E4E52u)
        return RNN_BAD_IMAGE;
    records = rnn_word(image + 4);
    for (record = 0; record < records; record++) {
        uint64_t count;
        if (bytes - place < 16)
            return RNN_BAD_IMAGE;
        count = (uint64_t)rnn_word(image + place + 4) * rnn_word(image + place + 8);
        place += 12;
        if (count > (bytes - place - 4) / 4)
            return RNN_BAD_IMAGE;
        place += (size_t)count * 4;
    }
    if (place + 4 != bytes || rnn_crc32(0, image, place) != rnn_word(image + place))
        return RNN_BAD_IMAGE;
    return RNN_OK;
}

/* Loads parameters of a design of the same structure.  Where the accelerator has two images (FEATURES.double_buffer)
   it goes on computing, and the next sequence uses the new ones; else it is stopped meanwhile, and left stopped where
   something goes wrong.  States are cleared then. */
static inline int rnn_load(const rnn_device *device, const uint8_t *image, size_t bytes)
{
    uint32_t crc = 0, errors = 0;
    int twice = 0, status = rnn_check_image(image, bytes);
    if (status)
        return status;
#if defined(RNN_FEATURES) && defined(RNN_FEATURES_DOUBLE_BUFFER_MASK)
    if (rnn_get(device, RNN_FEATURES, &errors))
        return RNN_BAD_ACCESS;
    twice = (errors & RNN_FEATURES_DOUBLE_BUFFER_MASK) != 0;
    if (twice && rnn_set(device, RNN_LOAD_CONTROL, RNN_LOAD_CONTROL_BEGIN_MASK))
        return RNN_BAD_ACCESS;
#endif
    status = rnn_clear_errors(device);
    if (!status && !twice)
        status = rnn_stop(device);
    if (!status)
        status = rnn_load_records(device, image, &crc);
#if defined(RNN_FEATURES) && defined(RNN_FEATURES_DOUBLE_BUFFER_MASK)
    if (!status && twice)
        status = rnn_set(device, RNN_LOAD_CHECKSUM, crc);
    if (!status && twice)
        status = rnn_set(device, RNN_LOAD_CONTROL, RNN_LOAD_CONTROL_COMMIT_MASK);
#endif
    if (!status)
        status = rnn_read_errors(device, &errors);
    if (status)
        return status;
    if (errors)
        return RNN_NOT_LOADED;
    return twice ? RNN_OK : rnn_clear_state(device);
}

#endif
