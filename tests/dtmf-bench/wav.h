/* Reads the samples of a WAV file: 8 kHz, 16 bits, mono, and nothing else. */

#ifndef DTMF_BENCH_WAV_H
#define DTMF_BENCH_WAV_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct samples {
    int16_t *pcm; /* the caller frees it */
    size_t count;
};

static uint32_t little_endian(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* True for a `fmt ` chunk that says PCM, one channel, 8,000 samples a second, 16 bits. */
static int is_narrowband(const unsigned char *fmt)
{
    return fmt[0] == 1 && fmt[1] == 0 && fmt[2] == 1 && fmt[3] == 0 &&
           little_endian(fmt + 4) == 8000 && fmt[14] == 16 && fmt[15] == 0;
}

/* 0 when `out` holds the first data chunk; -1 when there is none or the format is another. */
static int read_wav(const char *path, struct samples *out)
{
    unsigned char head[12], chunk[8], fmt[16];
    int known = 0, done = -1;
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        return -1;
    if (fread(head, 1, sizeof head, file) == sizeof head && memcmp(head, "RIFF", 4) == 0) {
        while (fread(chunk, 1, sizeof chunk, file) == sizeof chunk) {
            uint32_t size = little_endian(chunk + 4);

            if (memcmp(chunk, "data", 4) == 0 && known) {
                out->pcm = malloc(size + 1);
                if (out->pcm != NULL) {
                    out->count = fread(out->pcm, sizeof *out->pcm, size / 2, file);
                    done = 0;
                }
                break;
            }
            if (memcmp(chunk, "fmt ", 4) == 0 && size >= sizeof fmt) {
                if (fread(fmt, 1, sizeof fmt, file) != sizeof fmt)
                    break;
                known = is_narrowband(fmt);
                size -= sizeof fmt;
            }
            if (fseek(file, size + size % 2, SEEK_CUR) != 0)
                break;
        }
    }
    fclose(file);
    return done;
}

#endif
