/* The C driver over the register frames of docs/serial-protocol.md.

   driver_main PORT PARAMETERS: probes, loads, and prints what it finds, a line each. */
#define _XOPEN_SOURCE 600
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "rnn_design.h"
#include "rnn_driver.h"

typedef struct {
    int line;
    uint8_t tag;
} port;

static void check(uint8_t *frame, size_t count)
{
    unsigned value = 0xFFFFu;
    size_t index;
    int bit;
    for (index = 0; index < count; index++) {
        value ^= (unsigned)frame[index] << 8;
        for (bit = 0; bit < 8; bit++)
            value = (value << 1 ^ (value & 0x8000u ? 0x1021u : 0u)) & 0xFFFFu;
    }
    frame[count] = (uint8_t)(value >> 8);
    frame[count + 1] = (uint8_t)value;
}

static int next_byte(port *to, uint8_t *byte)
{
    struct pollfd wait;
    wait.fd = to->line;
    wait.events = POLLIN;
    return poll(&wait, 1, 60000) == 1 && read(to->line, byte, 1) == 1 ? 0 : -1;
}

/* Sends a request, and takes the answer to it; what else comes is passed over. */
static int ask(port *to, int kind, uint32_t offset, uint32_t data, uint32_t *value)
{
    uint8_t frame[10], answer[9], expected[9];
    size_t have = 0;
    to->tag++;
    frame[0] = (uint8_t)(0xC0 | kind);
    frame[1] = to->tag;
    frame[2] = (uint8_t)offset;
    frame[3] = (uint8_t)(offset >> 8);
    frame[4] = (uint8_t)data;
    frame[5] = (uint8_t)(data >> 8);
    frame[6] = (uint8_t)(data >> 16);
    frame[7] = (uint8_t)(data >> 24);
    check(frame, 8);
    if (write(to->line, frame, sizeof frame) != (ssize_t)sizeof frame)
        return -1;
    for (;;) {
        if (next_byte(to, answer + have))
            return -1;
        if (++have < sizeof answer)
            continue;
        memcpy(expected, answer, 7);
        check(expected, 7);
        if (answer[0] == (0xD0 | kind) && answer[1] == to->tag && !memcmp(answer, expected, sizeof answer))
            break;
        memmove(answer, answer + 1, --have);
    }
    if (value)
        *value = rnn_word(answer + 3);
    return kind < 2 && answer[2] ? -1 : 0;
}

static int read_register(void *context, uint32_t offset, uint32_t *value)
{
    return ask(context, 1, offset, 0, value);
}

static int write_register(void *context, uint32_t offset, uint32_t value)
{
    return ask(context, 0, offset, value, NULL);
}

int main(int count, char **arguments)
{
    static const uint32_t digest[4] = RNN_DESIGN_DIGEST;
    static uint8_t image[1 << 20], zeros[4096];
    uint32_t other[4], errors = 0;
    rnn_counters counters;
    struct termios raw;
    port to = { -1, 0 };
    rnn_device device = { read_register, write_register, NULL, 1000 };
    size_t size;
    FILE *file;
    if (count != 3 || (to.line = open(arguments[1], O_RDWR | O_NOCTTY)) < 0 || tcgetattr(to.line, &raw))
        return 1;
    raw.c_lflag = raw.c_iflag = raw.c_oflag = 0;
    tcsetattr(to.line, TCSANOW, &raw);
    device.context = &to;
    if (write(to.line, zeros, 64) != 64 || ask(&to, 2, 0, 0, NULL))
        return 1;
    memcpy(other, digest, sizeof other);
    other[3] ^= 1;
    printf("probe: %s\n", rnn_status_text(rnn_probe(&device, digest)));
    printf("probe of another: %s\n", rnn_status_text(rnn_probe(&device, other)));
    printf("counters: %s\n", rnn_status_text(rnn_read_counters(&device, &counters)));
    printf("steps: %u %u\n", (unsigned)counters.steps_in, (unsigned)counters.steps_out);
    printf("clear: %s\n", rnn_status_text(rnn_clear_counters(&device)));
    if (rnn_read_counters(&device, &counters))
        return 1;
    printf("steps: %u %u\n", (unsigned)counters.steps_in, (unsigned)counters.steps_out);
    printf("stop: %s\n", rnn_status_text(rnn_stop(&device)));
    file = fopen(arguments[2], "rb");
    if (!file)
        return 1;
    size = fread(image, 1, sizeof image, file);
    fclose(file);
    image[40] ^= 1;
    printf("load, damaged: %s\n", rnn_status_text(rnn_load(&device, image, size)));
    image[40] ^= 1;
    printf("load, cut: %s\n", rnn_status_text(rnn_load(&device, image, size - 1)));
    printf("load: %s\n", rnn_status_text(rnn_load(&device, image, size)));
    printf("errors: %s\n", rnn_status_text(rnn_read_errors(&device, &errors)));
    printf("errors are %u\n", (unsigned)errors);
    device.polls = 0;
    printf("stop without time: %s\n", rnn_status_text(rnn_stop(&device)));
    printf("enable: %s\n", rnn_status_text(rnn_enable(&device)));
    printf("register that is none: %d\n", rnn_get(&device, 0xFFC, &errors));
    return 0;
}
