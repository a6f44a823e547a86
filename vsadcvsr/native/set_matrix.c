#include "filters.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <VSConstants4.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))
#define BIT(value) (UINT32_C(1) << (value))
#define BITS(first, last) ((UINT32_C(2) << (last)) - BIT(first))

typedef struct {
    VSNode *clip;
    VSFunction *failed; /* called with the number of each frame that fails, or NULL */
    int matrix; /* of frames that have none; for RGB, the output's: VSC_MATRIX_RGB where that is RGB too */
} SetMatrix;

static int property(const VSMap *properties, const char *name, int otherwise, const VSAPI *vsapi) {
    int missing;
    int value = vsapi->mapGetIntSaturated(properties, name, 0, &missing);
    return missing ? otherwise : value;
}

/* RGB (0) cannot be the matrix of a YUV or grey picture, so it counts as unspecified, as filters leave it behind. */
static int is_specified(int matrix) {
    return matrix != VSC_MATRIX_RGB && matrix != VSC_MATRIX_UNSPECIFIED;
}

/* mpv writes `_ColorSpace` instead of `_Matrix`, in the same numbers. */
static int matrix_of(const VSMap *properties, int otherwise, const VSAPI *vsapi) {
    int matrix = property(properties, "_Matrix", VSC_MATRIX_UNSPECIFIED, vsapi);
    if (!is_specified(matrix))
        matrix = property(properties, "_ColorSpace", VSC_MATRIX_UNSPECIFIED, vsapi);
    return is_specified(matrix) ? matrix : otherwise;
}

static int is_known(int matrix) {
    return matrix == VSC_MATRIX_BT709 || (matrix >= VSC_MATRIX_FCC && matrix <= VSC_MATRIX_ICTCP && matrix != 11);
}

/* Values of a property that `resize` converts, as bits, and as text. */
typedef struct {
    const char *property;
    int absent; /* the value of frames without it */
    uint32_t values;
    const char *text;
    int matrix; /* the one that needs these values; 0 for any */
} Allowed;

#define UNSPECIFIED VSC_TRANSFER_UNSPECIFIED /* the code of primaries, too */
#define CHROMATICITIES BIT(1) | BITS(4, 9) | BITS(11, 12) | BIT(22), "1, 4 to 9, 11, 12 or 22"

static const Allowed of_samples[] = {
    {"_Range", 0, BITS(0, 1), "0 (limited) or 1 (full)", 0},
    {"_ChromaLocation", -1, BITS(0, 5), "0 to 5", 0},
};
static const Allowed of_color[] = {
    {"_Transfer", UNSPECIFIED, BITS(1, 2) | BITS(4, 18), "1, 2, 4 to 18", 0},
    {"_Primaries", UNSPECIFIED, BITS(1, 2) | BITS(4, 12) | BIT(22), "1, 2, 4 to 12 or 22", 0},
    {"_Transfer", UNSPECIFIED, BIT(1) | BITS(6, 7) | BITS(14, 15), "1, 6, 7, 14 or 15", VSC_MATRIX_BT2020_CL},
    {"_Primaries", UNSPECIFIED, CHROMATICITIES, VSC_MATRIX_CHROMATICITY_DERIVED_NCL},
    {"_Primaries", UNSPECIFIED, CHROMATICITIES, VSC_MATRIX_CHROMATICITY_DERIVED_CL},
    {"_Transfer", UNSPECIFIED, BIT(1) | BITS(4, 7) | BITS(9, 18), "1, 4 to 7 or 9 to 18", VSC_MATRIX_CHROMATICITY_DERIVED_CL},
    {"_Primaries", UNSPECIFIED, BIT(9), "9", VSC_MATRIX_ICTCP},
    {"_Transfer", UNSPECIFIED, BIT(16) | BIT(18), "16 or 18", VSC_MATRIX_ICTCP},
};

static int fits(const Allowed *allowed, int value) {
    return value >= 0 && value < 32 && (allowed->values >> value & 1);
}

/* Whether a frame can be converted, from this matrix or, if RGB, to it; else `why` says why not. */
static int check(const Allowed *table, int count, int matrix, int is_rgb, const VSMap *properties, int n, char *why,
                 size_t size, const VSAPI *vsapi) {
    for (const Allowed *allowed = table; allowed < table + count; allowed++) {
        const char *name = allowed->property;
        int value = property(properties, name, allowed->absent, vsapi);
        if (fits(allowed, value) || (allowed->matrix ? allowed->matrix != matrix : value == allowed->absent))
            continue;
        if (allowed->matrix && is_rgb)
            snprintf(why, size, "Upscale: frame %d has %s %d, but matrix %d of the output needs %s %s; call"
                     " std.SetFrameProps with the right one, or choose another matrix", n, name, value, matrix, name,
                     allowed->text);
        else if (allowed->matrix)
            snprintf(why, size, "Upscale: frame %d has _Matrix %d and %s %d, but that matrix needs %s %s; call"
                     " std.SetFrameProps with the right ones", n, matrix, name, value, name, allowed->text);
        else
            snprintf(why, size, "Upscale: frame %d has %s %d, allowed: %s; call std.RemoveFrameProps(\"%s\") where it is wrong",
                     n, name, value, allowed->text, name);
        return 0;
    }
    return 1;
}

static void report_failure(const SetMatrix *filter, int n, const VSAPI *vsapi) {
    if (!filter->failed)
        return;
    VSMap *in = vsapi->createMap(), *out = vsapi->createMap();
    vsapi->mapSetInt(in, "n", n, maReplace);
    vsapi->callFunction(filter->failed, in, out);
    vsapi->freeMap(in);
    vsapi->freeMap(out);
}

static const VSFrame *refuse(const SetMatrix *filter, int n, const VSFrame *frame, const char *why, VSFrameContext *context,
                             const VSAPI *vsapi) {
    report_failure(filter, n, vsapi);
    vsapi->freeFrame(frame);
    vsapi->setFilterError(why, context);
    return NULL;
}

static const VSFrame *VS_CC set_matrix_frame(int n, int reason, void *instance, void **frame_data, VSFrameContext *context,
                                       VSCore *core, const VSAPI *vsapi) {
    SetMatrix *filter = instance;
    char why[256];
    (void)frame_data;
    if (reason == arInitial)
        vsapi->requestFrameFilter(n, filter->clip, context);
    if (reason == arError)
        report_failure(filter, n, vsapi);
    if (reason != arAllFramesReady)
        return NULL;
    const VSFrame *frame = vsapi->getFrameFilter(n, filter->clip, context);
    const VSMap *properties = vsapi->getFramePropertiesRO(frame);
    int field = property(properties, "_FieldBased", VSC_FIELD_PROGRESSIVE, vsapi);
    if (field != VSC_FIELD_PROGRESSIVE) {
        snprintf(why, sizeof why, "Upscale: frame %d is interlaced (_FieldBased is %d); deinterlace first, or call"
                 " std.SetFieldBased(0) where the flag is wrong", n, field);
        return refuse(filter, n, frame, why, context, vsapi);
    }
    if (!check(of_samples, COUNT(of_samples), 0, 0, properties, n, why, sizeof why, vsapi))
        return refuse(filter, n, frame, why, context, vsapi);
    int is_rgb = vsapi->getVideoFrameFormat(frame)->colorFamily == cfRGB;
    int own_matrix = property(properties, "_Matrix", VSC_MATRIX_UNSPECIFIED, vsapi);
    if (is_rgb && is_specified(own_matrix)) {
        snprintf(why, sizeof why, "Upscale: frame %d is RGB and has _Matrix %d, allowed: 0; call"
                 " std.SetFrameProps(_Matrix=0) where it is wrong", n, own_matrix);
        return refuse(filter, n, frame, why, context, vsapi);
    }
    if (is_rgb && filter->matrix == VSC_MATRIX_RGB)
        return frame;
    int matrix = is_rgb ? filter->matrix : matrix_of(properties, filter->matrix, vsapi);
    if (!is_known(matrix)) {
        snprintf(why, sizeof why, "Upscale: frame %d has _Matrix %d, allowed: 1, 4 to 10, 12 to 14; call"
                 " std.SetFrameProps(_Matrix=1) where it is wrong", n, matrix);
        return refuse(filter, n, frame, why, context, vsapi);
    }
    if (!check(of_color, COUNT(of_color), matrix, is_rgb, properties, n, why, sizeof why, vsapi))
        return refuse(filter, n, frame, why, context, vsapi);
    if (is_rgb || own_matrix == matrix)
        return frame;
    VSFrame *copy = vsapi->copyFrame(frame, core);
    vsapi->freeFrame(frame);
    vsapi->mapSetInt(vsapi->getFramePropertiesRW(copy), "_Matrix", matrix, maReplace);
    return copy;
}

static void VS_CC set_matrix_free(void *instance, VSCore *core, const VSAPI *vsapi) {
    SetMatrix *filter = instance;
    (void)core;
    vsapi->freeNode(filter->clip);
    vsapi->freeFunction(filter->failed);
    free(filter);
}

void VS_CC set_matrix_create(const VSMap *in, VSMap *out, void *data, VSCore *core, const VSAPI *vsapi) {
    SetMatrix *filter = malloc(sizeof *filter);
    int missing;
    (void)data;
    if (!filter) {
        vsapi->mapSetError(out, "Upscale: out of memory");
        return;
    }
    filter->clip = vsapi->mapGetNode(in, "clip", 0, NULL);
    filter->failed = vsapi->mapGetFunction(in, "failed", 0, &missing);
    filter->matrix = vsapi->mapGetIntSaturated(in, "matrix", 0, NULL);
    VSFilterDependency needs = {filter->clip, rpStrictSpatial};
    vsapi->createVideoFilter(out, "UpscaleSource", vsapi->getVideoInfo(filter->clip), set_matrix_frame, set_matrix_free, fmParallel, &needs, 1,
                             filter, core);
}
