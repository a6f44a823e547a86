/* The kernel of vsadcvsr.sharpen, which calls it through ctypes. Sums have a fixed order, and the compiler is told not to contract
   products and sums: the same bits on every machine. */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include <VapourSynth4.h>

enum { CELL = 5, EDGE = CELL / 2, REACH = 2 * EDGE, NEAR = 3 };

static ptrdiff_t clamped(ptrdiff_t index, ptrdiff_t count)
{
    return index < 0 ? 0 : index < count ? index : count - 1;
}

/* Bilinear upsampling of a base, row by row, as vsadcvsr.output.upsample does it for whole planes, which takes longer than all of the
   sharpening. The last rows that were upsampled across are kept. */
typedef struct {
    const float *base;
    ptrdiff_t height, width;
    int scale;
    float *rows; /* NEAR rows of scale * width */
    ptrdiff_t kept[NEAR]; /* their numbers in the base, -1 for none */
} Upsampling;

/* The offset of a new pixel's centre from the old one's, in old pixels. */
static float offset_of(ptrdiff_t phase, int scale)
{
    return ((float)phase + 0.5f) / (float)scale - 0.5f;
}

static const float *upsampled_across(Upsampling *image, ptrdiff_t row)
{
    float *restrict out = image->rows + row % NEAR * image->width * image->scale;
    if (image->kept[row % NEAR] == row)
        return out;
    image->kept[row % NEAR] = row;
    const float *line = image->base + row * image->width;
    for (int phase = 0; phase < image->scale; phase++) {
        const float offset = offset_of(phase, image->scale);
        for (ptrdiff_t x = 0; x < image->width; x++) {
            const float neighbour = line[clamped(x + (offset > 0 ? 1 : -1), image->width)];
            out[x * image->scale + phase] = line[x] + (neighbour - line[x]) * fabsf(offset);
        }
    }
    return out;
}

/* A row of the luma: the upsampled base, and the detail if there is any, clamped to 0..1. */
static void luma_row(Upsampling *image, const float *detail, ptrdiff_t row, float *restrict out)
{
    const ptrdiff_t own = row / image->scale, width = image->width * image->scale;
    const float offset = offset_of(row % image->scale, image->scale), share = fabsf(offset);
    const float *a = upsampled_across(image, own);
    const float *b = upsampled_across(image, clamped(own + (offset > 0 ? 1 : -1), image->height));
    for (ptrdiff_t x = 0; x < width; x++) {
        const float value = a[x] + (b[x] - a[x]) * share + (detail ? detail[row * width + x] : 0.0f);
        out[x] = value < 0 ? 0 : value > 1 ? 1 : value;
    }
}

/* The sum of five rows. */
static void add_rows(const float *const rows[CELL], float *restrict sums, ptrdiff_t width)
{
    const float *a = rows[0], *b = rows[1], *c = rows[2], *d = rows[3], *e = rows[4];
    for (ptrdiff_t x = 0; x < width; x++)
        sums[x] = a[x] + b[x] + c[x] + d[x] + e[x];
}

/* The mean of five neighbours, of `width` + 4 sums of five. */
static void mean_of_cells(const float *restrict sums, float *restrict means, ptrdiff_t width)
{
    for (ptrdiff_t x = 0; x < width; x++)
        means[x] = (sums[x] + sums[x + 1] + sums[x + 2] + sums[x + 3] + sums[x + 4]) * (1.0f / (CELL * CELL));
}

/* Repeats the first and the last of `width` values, which begin at REACH, on both sides. */
static void repeat_edges(float *row, ptrdiff_t width)
{
    for (ptrdiff_t x = 0; x < REACH; x++) {
        row[x] = row[REACH];
        row[REACH + width + x] = row[REACH + width - 1];
    }
}

/* sharpen(base, detail, out, height, width, scale, gain, contrast): luma is the base, upsampled to (height, width), plus the detail,
   clamped. Each pixel changes by its difference from the mean of its 5x5 pixels, times gain * contrast / (contrast + their
   standard deviation). `out` is the detail plus the change, or the change where detail is null. Returns 0 where there is no memory,
   else 1. */
VS_EXTERNAL_API(int)
adcvsr_sharpen(
    const float *base, const float *detail, float *out, ptrdiff_t height, ptrdiff_t width, int scale, float gain, float contrast)
{
    const ptrdiff_t padded = width + 2 * REACH, inner = width + 2 * EDGE;
    float *memory = malloc((size_t)(CELL * padded + 2 * padded + 2 * CELL * inner + NEAR * width) * sizeof *memory);
    if (!memory)
        return 0;
    float *lumas = memory, *sums = lumas + CELL * padded, *means = sums + padded;
    float *differences = means + padded, *squares = differences + CELL * inner;
    Upsampling image = {base, height / scale, width / scale, scale, squares + CELL * inner, {-1, -1, -1}};
    gain *= contrast;
    for (ptrdiff_t row = -EDGE, ready = 0; row < height + EDGE; row++) {
        for (; ready <= clamped(row + EDGE, height); ready++) {
            luma_row(&image, detail, ready, lumas + ready % CELL * padded + REACH);
            repeat_edges(lumas + ready % CELL * padded, width);
        }
        const float *rows[CELL];
        for (int k = 0; k < CELL; k++)
            rows[k] = lumas + clamped(row + k - EDGE, height) % CELL * padded;
        add_rows(rows, sums, padded);
        mean_of_cells(sums, means, inner);
        const float *centre = rows[EDGE] + EDGE;
        float *restrict difference = differences + (row + EDGE) % CELL * inner;
        float *restrict square = squares + (row + EDGE) % CELL * inner;
        for (ptrdiff_t x = 0; x < inner; x++) {
            difference[x] = centre[x] - means[x];
            square[x] = difference[x] * difference[x];
        }
        if (row < EDGE)
            continue;
        const ptrdiff_t done = row - EDGE;
        for (int k = 0; k < CELL; k++)
            rows[k] = squares + (done + k) % CELL * inner;
        add_rows(rows, sums, inner);
        mean_of_cells(sums, means, width);
        const float *restrict own = differences + row % CELL * inner + EDGE;
        float *restrict result = out + done * width;
        for (ptrdiff_t x = 0; x < width; x++)
            result[x] = own[x] * gain / (sqrtf(means[x]) + contrast);
        if (detail)
            for (ptrdiff_t x = 0; x < width; x++)
                result[x] += detail[done * width + x];
    }
    free(memory);
    return 1;
}
