/*
 * Lists the digits that spandsp hears: spandsp_list LIST, where LIST names 8 kHz 16-bit mono WAV
 * files, one a line. Prints `path digit onset_ms report_ms` for each.
 *
 * The audio is given in 20 ms frames, as a bridge gives it; report_ms is the end of the frame in
 * which spandsp named the digit. spandsp does not say where a digit began, so onset_ms is the same.
 *
 * spandsp is LGPL. This program exists to be compared with and is linked with nothing of ours.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <spandsp.h>

#include "wav.h"

enum { FRAME = 160, FRAME_MS = 20 };

struct place {
    const char *path;
    size_t frame;
};

static void heard(void *data, const char *digits, int count)
{
    const struct place *place = data;
    size_t ms = (place->frame + 1) * FRAME_MS;

    for (int i = 0; i < count; i++)
        printf("%s %c %zu %zu\n", place->path, digits[i], ms, ms);
}

static int list(const char *path)
{
    struct place place = {path, 0};
    struct samples audio;
    dtmf_rx_state_t *rx;

    if (read_wav(path, &audio) != 0)
        return -1;
    if ((rx = dtmf_rx_init(NULL, heard, &place)) == NULL)
        return -1;
    for (size_t at = 0; at < audio.count; at += FRAME, place.frame++) {
        size_t left = audio.count - at;

        dtmf_rx(rx, audio.pcm + at, (int)(left < FRAME ? left : FRAME));
    }
    dtmf_rx_free(rx);
    free(audio.pcm);
    return 0;
}

int main(int argc, char **argv)
{
    char path[4096];
    FILE *names;

    if (argc != 2 || (names = fopen(argv[1], "r")) == NULL) {
        fprintf(stderr, "usage: spandsp_list LIST\n");
        return 2;
    }
    while (fgets(path, sizeof path, names) != NULL) {
        path[strcspn(path, "\r\n")] = '\0';
        if (*path != '\0' && list(path) != 0) {
            fprintf(stderr, "%s: not an 8 kHz 16-bit mono WAV file\n", path);
            return 1;
        }
    }
    fclose(names);
    return 0;
}
