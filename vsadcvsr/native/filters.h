/* The two filters behind core.adcvsr.Upscale. Python puts them together; users have no reason to call them. */
#ifndef ADCVSR_FILTERS_H
#define ADCVSR_FILTERS_H

#include <VapourSynth4.h>

/* Door(clip, matrix): the clip with `_Matrix` set on every frame that needs one; refuses interlaced frames. */
#define DOOR_ARGUMENTS "clip:vnode;matrix:int;"
void VS_CC door_create(const VSMap *in, VSMap *out, void *data, VSCore *core, const VSAPI *vsapi);

/* Stream(clip, func, format, scale, ahead): frame n is func(n, at, frames, again)["frame"] with the properties of the clip's frame n;
   `frames` are the clip's frames number `at`: n, and others up to n + ahead. Where they are not enough, it gives the numbers of
   those that it lacks as "request", and is called with all of them, `again` one higher. */
#define STREAM_ARGUMENTS "clip:vnode;func:func;format:int;scale:int;ahead:int;"
void VS_CC stream_create(const VSMap *in, VSMap *out, void *data, VSCore *core, const VSAPI *vsapi);

#endif
