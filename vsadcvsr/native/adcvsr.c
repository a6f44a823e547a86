/* core.adcvsr: Upscale and Version, answered by the Python package vsadcvsr, which builds with the filters of this library.

   Only a VSFunction crosses safely between the C and the Python side of VapourSynth. So Upscale asks Python to hand one over:
   the package calls core.adcvsr.Version(bind=function), on the same thread, and the shim then calls that function with
   Upscale's arguments. Version(bind=…) gives the filters, as functions: users of the namespace have no reason to see them. */
#include "filters.h"
#include "python.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef ADCVSR_MAJOR
#define ADCVSR_MAJOR 0
#define ADCVSR_MINOR 0
#endif

#define UPSCALE_ARGUMENTS                                                                                                   \
    "clip:vnode;model:data:opt;scale:float:opt;width:int:opt;height:int:opt;format:int:opt;matrix:data:opt;"                \
    "backend:data:opt;device:data:opt;device_index:int:opt;precision:data:opt;tile:int[]:opt;tile_pad:int:opt;sc_threshold:float:opt;"       \
    "denoise:float:opt;steady:float:opt;sharpen:float:opt;strength:float:opt;color_fix:data:opt;threads:int:opt;num_streams:int:opt;backend_options:data:opt;"

typedef struct {
    const char *name;
    const char *binder; /* in vsadcvsr.plugin: calls Version with the function that answers */
} Function;

static const Function upscale = {"Upscale", "bind_upscale"};
static const Function version = {"Version", "bind_version"};

static _Thread_local int binding; /* whether Python was asked to hand a function over */
static _Thread_local VSFunction *bound;
static _Thread_local VSCore *bound_core;

static void bind(VSFunction *function, VSCore *core, const VSAPI *vsapi) {
    VSFunction *other = binding ? bound : function;
    if (other)
        vsapi->freeFunction(other);
    if (binding) {
        bound = function;
        bound_core = core;
    }
}

static void return_filters(VSMap *out, VSCore *core, const VSAPI *vsapi) {
    vsapi->mapConsumeFunction(out, "source", vsapi->createFunction(set_matrix_create, NULL, NULL, core), maReplace);
    vsapi->mapConsumeFunction(out, "stream", vsapi->createFunction(stream_create, NULL, NULL, core), maReplace);
}

static VSFunction *take_bound(void) {
    VSFunction *function = bound;
    bound = NULL;
    return function;
}

static void fail(VSMap *out, const char *name, const char *why, const VSAPI *vsapi) {
    char line[1024];
    snprintf(line, sizeof line, "%s: %s", name, why);
    vsapi->mapSetError(out, line);
}

/* Python says {"error": "Upscale: …"} for what a user can get wrong; a raised exception would be shown as a traceback. */
static void raise_error_key(VSMap *out, const VSAPI *vsapi) {
    int missing;
    const char *error = vsapi->mapGetError(out) ? NULL : vsapi->mapGetData(out, "error", 0, &missing);
    char *line = error ? malloc(strlen(error) + 1) : NULL; /* setting an error frees the map's own text */
    if (line) {
        vsapi->mapSetError(out, strcpy(line, error));
        free(line);
    }
}

static void VS_CC forward(const VSMap *in, VSMap *out, void *data, VSCore *core, const VSAPI *vsapi) {
    const Function *called = data;
    char why[768];
    binding = 1;
    int reached = python_call("vsadcvsr.plugin", called->binder, why, sizeof why);
    binding = 0;
    VSFunction *function = take_bound();
    if (!reached)
        fail(out, called->name, why, vsapi);
    else if (!function || bound_core != core)
        fail(out, called->name, "the active VapourSynth environment belongs to another core", vsapi);
    else {
        vsapi->callFunction(function, in, out); /* takes the interpreter lock by itself */
        raise_error_key(out, vsapi);
    }
    if (function)
        vsapi->freeFunction(function);
}

static void VS_CC forward_or_bind(const VSMap *in, VSMap *out, void *data, VSCore *core, const VSAPI *vsapi) {
    int missing;
    VSFunction *function = vsapi->mapGetFunction(in, "bind", 0, &missing);
    if (!function) {
        forward(in, out, data, core, vsapi);
        return;
    }
    bind(function, core, vsapi);
    return_filters(out, core, vsapi);
}

VS_EXTERNAL_API(void) VapourSynthPluginInit2(VSPlugin *plugin, const VSPLUGINAPI *vspapi) {
    vspapi->configPlugin("org.adcvsr.upscale", "adcvsr", "AdcVSR: streaming video super-resolution",
                         VS_MAKE_VERSION(ADCVSR_MAJOR, ADCVSR_MINOR), VAPOURSYNTH_API_VERSION, 0, plugin);
    vspapi->registerFunction("Upscale", UPSCALE_ARGUMENTS, "clip:vnode;", forward, (void *)&upscale, plugin);
    vspapi->registerFunction("Version", "bind:func:opt;", "any", forward_or_bind, (void *)&version, plugin);
}
