/*
 * Runs spandsp's DTMF detector over raw 8 kHz 16-bit samples: spandsp_cost FILE.
 *
 * For callgrind, which counts what `run` costs (--toggle-collect=run) and so leaves out the reading
 * of the file. Prints how many digits were heard, so that nothing can be optimised away.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <spandsp.h>

enum { FRAME = 160 };

static void heard(void *data, const char *digits, int count)
{
    (void)digits;
    *(int *)data += count;
}

__attribute__((noinline)) void run(dtmf_rx_state_t *rx, const int16_t *pcm, size_t count)
{
    for (size_t at = 0; at < count; at += FRAME) {
        size_t left = count - at;

        dtmf_rx(rx, pcm + at, (int)(left < FRAME ? left : FRAME));
    }
}

int main(int argc, char **argv)
{
    int digits = 0;
    long size;
    int16_t *pcm;
    dtmf_rx_state_t *rx;
    FILE *file;

    if (argc != 2 || (file = fopen(argv[1], "rb")) == NULL) {
        fprintf(stderr, "usage: spandsp_cost FILE\n");
        return 2;
    }
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    pcm = malloc((size_t)size + 1);
    rx = dtmf_rx_init(NULL, heard, &digits);
    if (pcm == NULL || rx == NULL || fread(pcm, 1, (size_t)size, file) != (size_t)size)
        return 1;
    run(rx, pcm, (size_t)size / sizeof *pcm);
    printf("%d\n", digits);
    dtmf_rx_free(rx);
    free(pcm);
    fclose(file);
    return 0;
}
