/* The two filters behind core.adcvsr.Upscale, which Python puts together. Their arguments are not checked. */
#ifndef ADCVSR_FILTERS_H
#define ADCVSR_FILTERS_H

#include <VapourSynth4.h>

/* source(clip, matrix, failed): the clip with `_Matrix` set on every frame that needs one; refuses interlaced frames. The function
   `failed`, if there is one, is called with the number of each frame that fails or is refused, as `n`. */
void VS_CC set_matrix_create(const VSMap *in, VSMap *out, void *data, VSCore *core, const VSAPI *vsapi);

/* stream(clip, func, format, scale, ahead, streams): frame n is func(n, numbers, frames, attempt)["frame"] with the properties of the clip's frame n;
   `frames` are the clip's frames number `numbers`: n, and others up to n + ahead. Where they are not enough, it gives the numbers of
   those that it lacks as "request", and is called with all of them, `attempt` one higher. With several streams, one by default,
   it is called for several frames at once. */
void VS_CC stream_create(const VSMap *in, VSMap *out, void *data, VSCore *core, const VSAPI *vsapi);

#endif
