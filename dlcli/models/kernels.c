/* What torch needs several passes over memory for, in one, on the CPU in float32.

   Called from kernels.py, which says what the arrays are. Each function shares its rows or images out to OpenMP's threads in
   equal parts. NaN comes out wherever it goes in. */

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#define SHARE_OUT _Pragma("omp parallel")
#define THREADS ((size)omp_get_num_threads())
#define THREAD ((size)omp_get_thread_num())
#else
#define SHARE_OUT
#define THREADS ((size)1)
#define THREAD ((size)0)
#endif

#define INLINE static inline __attribute__((always_inline))

typedef int64_t size;

/* The SHA-256 of the source that this was built from. */
const char *source(void) { return SOURCE; }

/* ------------------------------------------------------------------------------------------------------ denormal numbers */

/* Whether all threads take numbers below 1.2e-38 for 0, read and written; gives whether they did. */
int flush_denormals(int wanted) {
    const unsigned bits = 0x8040; /* flush to zero, and denormals are zero */
    int before = (_mm_getcsr() & bits) == bits;
    SHARE_OUT
    _mm_setcsr(wanted ? _mm_getcsr() | bits : _mm_getcsr() & ~bits);
    return before;
}

/* ----------------------------------------------------------------------------------------------------------- functions */

/* e**x = 2**n e**r with |r| <= ln 2 / 2, and for e**r a polynomial, fitted to the least relative error: within 2 ulp.
   Beyond +-87 it stays at the value there, which is as good as infinity and 0 for what follows. */
INLINE float exponential(float x) {
    x = x > 87.0f ? 87.0f : x;
    x = x < -87.0f ? -87.0f : x;
    const float to_nearest = 12582912.0f; /* 1.5 * 2**23: in numbers of this size the last digit is 1 */
    float shifted = x * 1.44269504f + to_nearest;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    float n = shifted - to_nearest;
    float r = x - n * 0.693145752f; /* ln 2 in two parts, the first with few digits, so that n times it is exact */
    r -= n * 1.42860677e-6f;
    float p = 0.0013950479f;
    p = p * r + 0.0083688824f;
    p = p * r + 0.041666206f;
    p = p * r + 0.1666652f;
    p = p * r + 0.5f;
    p = p * r * r + r + 1.0f;
    uint32_t power_bits = ((uint32_t)bits << 23) + 0x3f800000u;
    float power;
    memcpy(&power, &power_bits, sizeof power);
    return p * power;
}

INLINE float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

/* Near 0, where 1 - e**-2|x| would lose its digits, a polynomial in x**2 with the least relative error. */
INLINE float hyperbolic_tangent(float x) {
    float magnitude = fabsf(x);
    float e = exponential(-2.0f * magnitude);
    float far = copysignf((1.0f - e) / (1.0f + e), x);
    float s = x * x;
    float p = -0.0057170428f;
    p = p * s + 0.020650585f;
    p = p * s - 0.053743497f;
    p = p * s + 0.13331491f;
    p = p * s - 0.33333284f;
    float near = x + x * s * p;
    return magnitude < 0.625f ? near : far;
}

/* ------------------------------------------------------------------------------------------------------------ registers */

/* As many numbers at a time as fit into one. */
#if defined(__AVX512F__)
#define BLOCK 16
#elif defined(__AVX2__)
#define BLOCK 8
#else
#define BLOCK 4
#endif
typedef float Floats __attribute__((vector_size(BLOCK * 4), aligned(4), may_alias));
typedef int32_t Ints __attribute__((vector_size(BLOCK * 4), aligned(4), may_alias));
typedef uint8_t Bytes __attribute__((vector_size(BLOCK), aligned(1), may_alias));

/* ------------------------------------------------------------------------------------------------- products of each step */

/* Columns of a matrix that are multiplied at a time, and rows, so that sums stay in registers. */
#define PANEL 32
#define IN_PANEL (PANEL / BLOCK)
#define ROWS_AT_A_TIME (BLOCK == 16 ? 8 : 2)
#define MOST_ROWS 8
_Static_assert(ROWS_AT_A_TIME <= MOST_ROWS, "there is a case for each number of rows");

/* Rows of `values` times columns of a matrix of `depth` rows. */
INLINE void multiply_block(size rows, size depth, size columns, const float *values, size value_step, const float *panel,
                           float *products, size product_step) {
    Floats sums[MOST_ROWS][IN_PANEL] = {};
    for (size k = 0; k < depth; k++) {
        const Floats *weights = (const Floats *)(panel + k * PANEL);
#pragma GCC unroll 8
        for (size row = 0; row < rows; row++) {
            float value = values[row * value_step + k];
#pragma GCC unroll 8
            for (size part = 0; part < IN_PANEL; part++) sums[row][part] += value * weights[part];
        }
    }
    if (columns < PANEL) {
        for (size row = 0; row < rows; row++)
            memcpy(products + row * product_step, sums[row], (size_t)columns * sizeof(float));
        return;
    }
#pragma GCC unroll 8
    for (size row = 0; row < rows; row++)
#pragma GCC unroll 8
        for (size part = 0; part < IN_PANEL; part++) ((Floats *)(products + row * product_step))[part] = sums[row][part];
}

/* `values` (rows, depth) times a matrix (depth, columns), which lies as panels (columns / PANEL, depth, PANEL), the last filled
   up. A sum goes through `depth` in order, whichever thread has its row and whatever the other rows are. */
static void multiply(size begin, size end, size depth, size columns, const float *values, size value_step, const float *panels,
                     float *products) {
    for (size column = 0; column < columns; column += PANEL)
        for (size row = begin; row < end; row += ROWS_AT_A_TIME) {
            const float *first = values + row * value_step, *panel = panels + column * depth;
            float *product = products + row * columns + column;
            switch (end - row < ROWS_AT_A_TIME ? end - row : ROWS_AT_A_TIME) {
#define CASE(rows)                                                                                       \
    case rows:                                                                                           \
        multiply_block(rows, depth, columns - column, first, value_step, panel, product, columns); \
        break;
                CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#undef CASE
            }
        }
}

/* ------------------------------------------------------------------------------------------------------------------ GRU */

/* `gates` holds what comes from the inputs, and then the reset, the update and the new gate. */
static void gru_forward_rows(size begin, size end, size hidden, const float *from_state, const float *bias, const float *state,
                             float *gates, float *share, float *next) {
    for (size row = begin; row < end; row++) {
        const float *xh = from_state + row * 3 * hidden, *h = state + row * hidden;
        float *restrict reset = gates + row * 3 * hidden, *restrict update = reset + hidden, *restrict new = update + hidden;
        float *restrict kept = share + row * hidden, *restrict out = next + row * hidden;
#pragma omp simd
        for (size j = 0; j < hidden; j++) {
            float r = sigmoid(reset[j] + xh[j]), z = sigmoid(update[j] + xh[hidden + j]), k = xh[2 * hidden + j] + bias[j];
            float n = hyperbolic_tangent(new[j] + r * k);
            reset[j] = r;
            update[j] = z;
            new[j] = n;
            kept[j] = k;
            out[j] = n + z * (h[j] - n);
        }
    }
}

/* From the first of `states` (steps + 1, rows, hidden) to all others; `room` is for a step's products (rows, 3 * hidden). */
void gru_forward(size steps, size rows, size hidden, const float *panels, const float *bias, float *states, float *gates,
                 float *shares, float *room) {
    SHARE_OUT {
        size begin = rows * THREAD / THREADS, end = rows * (THREAD + 1) / THREADS, one = rows * hidden;
        for (size step = 0; step < steps; step++) {
            float *state = states + step * one;
            multiply(begin, end, hidden, 3 * hidden, state, hidden, panels, room);
            gru_forward_rows(begin, end, hidden, room, bias, state, gates + 3 * step * one, shares + step * one, state + one);
        }
    }
}

static void gru_backward_rows(size begin, size end, size hidden, const float *grad, const float *more, size more_stride,
                              const float *gates, const float *share, const float *state, float *grad_gates, float *past) {
    for (size row = begin; row < end; row++) {
        const float *d = grad + row * hidden, *m = more + row * more_stride, *h = state + row * hidden;
        const float *reset = gates + row * 3 * hidden, *update = reset + hidden, *new = update + hidden;
        const float *kept = share + row * hidden;
        float *restrict grad_new = grad_gates + row * 4 * hidden, *restrict grad_reset = grad_new + hidden;
        float *restrict grad_update = grad_reset + hidden, *restrict grad_kept = grad_update + hidden;
        float *restrict past_gates = past + row * hidden;
#pragma omp simd
        for (size j = 0; j < hidden; j++) {
            float r = reset[j], z = update[j], n = new[j], both = d[j] + m[j] + past_gates[j];
            float dn = both * (1 - z) * (1 - n * n);
            grad_new[j] = dn;
            grad_reset[j] = dn * kept[j] * r * (1 - r);
            grad_update[j] = both * (h[j] - n) * z * (1 - z);
            grad_kept[j] = dn * r;
            past_gates[j] = both * z;
        }
    }
}

/* From `grad`, the gradient of the last state, to that of the first, in the same place. */
void gru_backward(size steps, size rows, size hidden, const float *panels, float *grad, const float *more, size more_step,
                  size more_stride, const float *gates, const float *shares, const float *states, float *grad_gates,
                  float *past) {
    SHARE_OUT {
        size begin = rows * THREAD / THREADS, end = rows * (THREAD + 1) / THREADS, one = rows * hidden;
        for (size step = steps - 1; step >= 0; step--) {
            float *grad_opened = grad_gates + 4 * step * one;
            gru_backward_rows(begin, end, hidden, grad, more + step * more_step, more_stride, gates + 3 * step * one,
                              shares + step * one, states + step * one, grad_opened, past);
            multiply(begin, end, 3 * hidden, hidden, grad_opened + hidden, 4 * hidden, panels, grad);
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- Elman's network */

static void rnn_forward_values(size begin, size end, size relu, const float *from_input, const float *from_state, float *next) {
    if (relu) {
#pragma omp simd
        for (size i = begin; i < end; i++) {
            float sum = from_input[i] + from_state[i];
            next[i] = sum < 0 ? 0.0f : sum;
        }
    } else {
#pragma omp simd
        for (size i = begin; i < end; i++) next[i] = hyperbolic_tangent(from_input[i] + from_state[i]);
    }
}

void rnn_forward(size steps, size rows, size hidden, size relu, const float *panels, const float *from_inputs, float *states,
                 float *room) {
    SHARE_OUT {
        size begin = rows * THREAD / THREADS, end = rows * (THREAD + 1) / THREADS, one = rows * hidden;
        for (size step = 0; step < steps; step++) {
            float *state = states + step * one;
            multiply(begin, end, hidden, hidden, state, hidden, panels, room);
            rnn_forward_values(begin * hidden, end * hidden, relu, from_inputs + step * one, room, state + one);
        }
    }
}

static void rnn_backward_rows(size begin, size end, size hidden, size relu, const float *grad, const float *more,
                              size more_stride, const float *next, float *grad_sum) {
    for (size row = begin; row < end; row++) {
        const float *d = grad + row * hidden, *m = more + row * more_stride, *y = next + row * hidden;
        float *restrict out = grad_sum + row * hidden;
        if (relu) {
#pragma omp simd
            for (size j = 0; j < hidden; j++) out[j] = y[j] <= 0 ? 0.0f : d[j] + m[j];
        } else {
#pragma omp simd
            for (size j = 0; j < hidden; j++) out[j] = (d[j] + m[j]) * (1 - y[j] * y[j]);
        }
    }
}

void rnn_backward(size steps, size rows, size hidden, size relu, const float *panels, float *grad, const float *more,
                  size more_step, size more_stride, const float *states, float *grad_sums) {
    SHARE_OUT {
        size begin = rows * THREAD / THREADS, end = rows * (THREAD + 1) / THREADS, one = rows * hidden;
        for (size step = steps - 1; step >= 0; step--) {
            float *grad_sum = grad_sums + step * one;
            rnn_backward_rows(begin, end, hidden, relu, grad, more + step * more_step, more_stride, states + (step + 1) * one,
                              grad_sum);
            multiply(begin, end, hidden, hidden, grad_sum, hidden, panels, grad);
        }
    }
}

/* ----------------------------------------------------------------------------------------------------------------- LSTM */

/* `gates` holds what comes from the inputs, and then the input, the forget, the cell and the output gate. */
static void lstm_forward_rows(size begin, size end, size hidden, const float *from_state, const float *cell, float *gates,
                              float *next_cell, float *next) {
    for (size row = begin; row < end; row++) {
        const float *xh = from_state + row * 4 * hidden, *c = cell + row * hidden;
        float *restrict input = gates + row * 4 * hidden, *restrict forget = input + hidden;
        float *restrict new = forget + hidden, *restrict output = new + hidden;
        float *restrict out_cell = next_cell + row * hidden, *restrict out = next + row * hidden;
#pragma omp simd
        for (size j = 0; j < hidden; j++) {
            float i = sigmoid(input[j] + xh[j]), f = sigmoid(forget[j] + xh[hidden + j]);
            float g = hyperbolic_tangent(new[j] + xh[2 * hidden + j]);
            float o = sigmoid(output[j] + xh[3 * hidden + j]), now = f * c[j] + i * g;
            input[j] = i;
            forget[j] = f;
            new[j] = g;
            output[j] = o;
            out_cell[j] = now;
            out[j] = o * hyperbolic_tangent(now);
        }
    }
}

void lstm_forward(size steps, size rows, size hidden, const float *panels, float *states, float *cells, float *gates,
                  float *room) {
    SHARE_OUT {
        size begin = rows * THREAD / THREADS, end = rows * (THREAD + 1) / THREADS, one = rows * hidden;
        for (size step = 0; step < steps; step++) {
            float *state = states + step * one, *cell = cells + step * one;
            multiply(begin, end, hidden, 4 * hidden, state, hidden, panels, room);
            lstm_forward_rows(begin, end, hidden, room, cell, gates + 4 * step * one, cell + one, state + one);
        }
    }
}

static void lstm_backward_rows(size begin, size end, size hidden, const float *grad, const float *more, size more_stride,
                               const float *gates, const float *cell, const float *next_cell, float *grad_gates,
                               float *grad_cell) {
    for (size row = begin; row < end; row++) {
        const float *d = grad + row * hidden, *m = more + row * more_stride;
        const float *c = cell + row * hidden, *now = next_cell + row * hidden;
        const float *input = gates + row * 4 * hidden, *forget = input + hidden, *new = forget + hidden, *output = new + hidden;
        float *restrict grad_input = grad_gates + row * 4 * hidden, *restrict grad_forget = grad_input + hidden;
        float *restrict grad_new = grad_forget + hidden, *restrict grad_output = grad_new + hidden;
        float *restrict before = grad_cell + row * hidden;
#pragma omp simd
        for (size j = 0; j < hidden; j++) {
            float i = input[j], f = forget[j], g = new[j], o = output[j], t = hyperbolic_tangent(now[j]), both = d[j] + m[j];
            float dc = before[j] + both * o * (1 - t * t);
            grad_input[j] = dc * g * i * (1 - i);
            grad_forget[j] = dc * c[j] * f * (1 - f);
            grad_new[j] = dc * i * (1 - g * g);
            grad_output[j] = both * t * o * (1 - o);
            before[j] = dc * f;
        }
    }
}

void lstm_backward(size steps, size rows, size hidden, const float *panels, float *grad, const float *more, size more_step,
                   size more_stride, const float *gates, const float *cells, float *grad_gates, float *grad_cell) {
    SHARE_OUT {
        size begin = rows * THREAD / THREADS, end = rows * (THREAD + 1) / THREADS, one = rows * hidden;
        for (size step = steps - 1; step >= 0; step--) {
            const float *cell = cells + step * one;
            float *grad_opened = grad_gates + 4 * step * one;
            lstm_backward_rows(begin, end, hidden, grad, more + step * more_step, more_stride, gates + 4 * step * one, cell,
                               cell + one, grad_opened, grad_cell);
            multiply(begin, end, 4 * hidden, hidden, grad_opened, 4 * hidden, panels, grad);
        }
    }
}

/* ---------------------------------------------------------------------------------------- max-pool and ReLU, channels last */

/* The largest of each window and 0. `where` is its place in the window, row by row; `nowhere` where that is not above 0. */
static const uint8_t nowhere = 255;

static void pool_forward_rows(size begin, size end, size width, size channels, size down, size across, size out_height,
                              size height, const float *images, float *pooled, uint8_t *where) {
    size out_width = width / across;
    for (size row = begin; row < end; row++) {
        size image = row / out_height, top = row % out_height * down;
        for (size column = 0; column < out_width; column++) {
            const float *window = images + ((image * height + top) * width + column * across) * channels;
            float *restrict out = pooled + (row * out_width + column) * channels;
            uint8_t *restrict place = where + (row * out_width + column) * channels;
#pragma omp simd
            for (size c = 0; c < channels; c++) {
                out[c] = window[c];
                place[c] = 0;
            }
            for (size k = 1; k < down * across; k++) {
                const float *value = window + (k / across * width + k % across) * channels;
#pragma omp simd
                for (size c = 0; c < channels; c++) {
                    /* as torch has it: the first of equal ones, and NaN before all */
                    int larger = value[c] > out[c] || value[c] != value[c];
                    out[c] = larger ? value[c] : out[c];
                    place[c] = larger ? (uint8_t)k : place[c];
                }
            }
#pragma omp simd
            for (size c = 0; c < channels; c++) {
                int off = out[c] <= 0;
                place[c] = off ? nowhere : place[c];
                out[c] = off ? 0.0f : out[c];
            }
        }
    }
}

void pool_forward(size images_count, size height, size width, size channels, size down, size across, const float *images,
                  float *pooled, uint8_t *where) {
    size out_height = height / down, rows = images_count * out_height;
    SHARE_OUT
    pool_forward_rows(rows * THREAD / THREADS, rows * (THREAD + 1) / THREADS, width, channels, down, across, out_height, height,
                      images, pooled, where);
}

static void pool_backward_rows(size begin, size end, size width, size channels, size down, size across, size height,
                               const float *grad, const uint8_t *where, float *grad_images) {
    size out_height = height / down, out_width = width / across;
    for (size row = begin; row < end; row++) {
        size image = row / height, y = row % height;
        float *line = grad_images + row * width * channels;
        if (y >= out_height * down) {
            memset(line, 0, (size_t)(width * channels) * sizeof(float));
            continue;
        }
        for (size x = 0; x < out_width * across; x++) {
            size window = (image * out_height + y / down) * out_width + x / across;
            const float *g = grad + window * channels;
            const uint8_t *place = where + window * channels;
            uint8_t k = (uint8_t)(y % down * across + x % across);
            float *restrict out = line + x * channels;
#pragma omp simd
            for (size c = 0; c < channels; c++) out[c] = place[c] == k ? g[c] : 0.0f;
        }
        memset(line + out_width * across * channels, 0, (size_t)((width - out_width * across) * channels) * sizeof(float));
    }
}

void pool_backward(size images_count, size height, size width, size channels, size down, size across, const float *grad,
                   const uint8_t *where, float *grad_images) {
    size rows = images_count * height;
    SHARE_OUT
    pool_backward_rows(rows * THREAD / THREADS, rows * (THREAD + 1) / THREADS, width, channels, down, across, height, grad, where,
                       grad_images);
}

/* ------------------------------------------------- convolution of few channels, max-pool and ReLU, channels last, in one */

/* Floats of what a processor fetches from memory at once. */
#define LINE 16

/* `mask` is -1 where the first is wanted, and 0 where the second is. */
#define CHOOSE(mask, first, second) (((mask) & (first)) | (~(mask) & (second)))

/* Where what is read of a window lies, counted in floats from its first pixel. */
typedef struct {
    size height, width, channels, outputs, down, across, out_height, out_width;
    size windows, taps;
    size pixel_step, channel_step; /* in what is given, and in its gradient: channels last or first */
    const size *window_offsets, *tap_offsets;
} Convolved;

INLINE const float *window_of(const Convolved *s, const float *images, size row, size column) {
    size image = row / s->out_height, top = row % s->out_height * s->down;
    return images + ((image * s->height + top) * s->width + column * s->across) * s->channels;
}

INLINE void write_block(const Convolved *s, Floats best, Ints at, float *out, uint8_t *place) {
    Ints off = best <= 0;
    best = (Floats)(~off & (Ints)best);
    if (s->channel_step == 1)
        *(Floats *)out = best;
    else
        for (size c = 0; c < BLOCK; c++) out[c * s->channel_step] = best[c];
    *(Bytes *)place = __builtin_convertvector(CHOOSE(off, (Ints){} + nowhere, at), Bytes);
}

INLINE Floats read_block(const Convolved *s, const float *grad) {
    if (s->channel_step == 1) return *(const Floats *)grad;
    Floats block;
    for (size c = 0; c < BLOCK; c++) block[c] = grad[c * s->channel_step];
    return block;
}

INLINE void convolve_block(const Convolved *s, const float *first, const float *weight, const float *bias,
                           float *out, uint8_t *place) {
    Floats best = (Floats){} - INFINITY;
    Ints at = {};
    for (size k = 0; k < s->windows; k++) {
        const float *pixel = first + s->window_offsets[k];
        Floats sum = *(const Floats *)bias;
        for (size tap = 0; tap < s->taps; tap++) sum += pixel[s->tap_offsets[tap]] * *(const Floats *)(weight + tap * s->outputs);
        Ints larger = (sum > best) | (sum != sum);
        best = (Floats)CHOOSE(larger, (Ints)sum, (Ints)best);
        at = CHOOSE(larger, (Ints){} + (int32_t)k, at);
    }
    write_block(s, best, at, out, place);
}

INLINE void convolve_four(const Convolved *s, const float *first, const float *weight, const float *bias, float *out,
                          uint8_t *place) {
    const float *p0 = first + s->window_offsets[0], *p1 = first + s->window_offsets[1];
    const float *p2 = first + s->window_offsets[2], *p3 = first + s->window_offsets[3];
    Floats start = *(const Floats *)bias, a = start, b = start, c = start, d = start;
    for (size tap = 0; tap < s->taps; tap++) {
        Floats w = *(const Floats *)(weight + tap * s->outputs);
        size offset = s->tap_offsets[tap];
        a += p0[offset] * w;
        b += p1[offset] * w;
        c += p2[offset] * w;
        d += p3[offset] * w;
    }
    Ints at = {}, larger = (b > a) | (b != b);
    Floats best = (Floats)CHOOSE(larger, (Ints)b, (Ints)a);
    at = CHOOSE(larger, (Ints){} + 1, at);
    larger = (c > best) | (c != c);
    best = (Floats)CHOOSE(larger, (Ints)c, (Ints)best);
    at = CHOOSE(larger, (Ints){} + 2, at);
    larger = (d > best) | (d != d);
    best = (Floats)CHOOSE(larger, (Ints)d, (Ints)best);
    at = CHOOSE(larger, (Ints){} + 3, at);
    write_block(s, best, at, out, place);
}

INLINE size given_at(const Convolved *s, size row, size column) {
    size pixels = s->out_height * s->out_width, pixel = row % s->out_height * s->out_width + column;
    return row / s->out_height * pixels * s->outputs + pixel * s->pixel_step;
}

/* Has as much of the next image's memory fetched as a row of this one takes: channels first, a pixel's numbers lie far from each
   other, and in a large batch no processor guesses which come next. Fetching ahead may name addresses behind the last image. */
INLINE void fetch_next(const Convolved *s, const float *given, size row) {
    size numbers = s->out_width * s->outputs;
    const float *first = given + (row + s->out_height) * numbers;
    for (size i = 0; i < numbers; i += LINE) __builtin_prefetch(first + i, 0, 2);
}

static void convolve_rows(size begin, size end, const Convolved *shape, const float *images, const float *weight,
                          const float *bias, float *pooled, uint8_t *where) {
    for (size row = begin; row < end; row++) {
        fetch_next(shape, pooled, row);
        for (size column = 0; column < shape->out_width; column++) {
            const float *first = window_of(shape, images, row, column);
            float *out = pooled + given_at(shape, row, column);
            uint8_t *place = where + (row * shape->out_width + column) * shape->outputs;
            for (size block = 0; block < shape->outputs; block += BLOCK) {
                float *out_block = out + block * shape->channel_step;
                if (shape->windows == 4)
                    convolve_four(shape, first, weight + block, bias + block, out_block, place + block);
                else
                    convolve_block(shape, first, weight + block, bias + block, out_block, place + block);
            }
        }
    }
}

void convolve_forward(const Convolved *shape, size images_count, const float *images, const float *weight, const float *bias,
                      float *pooled, uint8_t *where) {
    size rows = images_count * shape->out_height;
    SHARE_OUT
    convolve_rows(rows * THREAD / THREADS, rows * (THREAD + 1) / THREADS, shape, images, weight, bias, pooled, where);
}

INLINE void add_block(const Convolved *s, const float *first, Floats grad, Ints place, float *sums) {
    for (size k = 0; k < s->windows; k++) {
        const float *pixel = first + s->window_offsets[k];
        Floats part = (Floats)((place == (int32_t)k) & (Ints)grad);
        for (size tap = 0; tap < s->taps; tap++) *(Floats *)(sums + tap * s->outputs) += pixel[s->tap_offsets[tap]] * part;
    }
}

INLINE void add_four(const Convolved *s, const float *first, Floats grad, Ints place, float *sums) {
    const float *p0 = first + s->window_offsets[0], *p1 = first + s->window_offsets[1];
    const float *p2 = first + s->window_offsets[2], *p3 = first + s->window_offsets[3];
    Floats a = (Floats)((place == 0) & (Ints)grad), b = (Floats)((place == 1) & (Ints)grad);
    Floats c = (Floats)((place == 2) & (Ints)grad), d = (Floats)((place == 3) & (Ints)grad);
    for (size tap = 0; tap < s->taps; tap++) {
        size offset = s->tap_offsets[tap];
        *(Floats *)(sums + tap * s->outputs) += (p0[offset] * a + p1[offset] * b) + (p2[offset] * c + p3[offset] * d);
    }
}

/* `grad_weight` has a row for each tap and one for the bias. */
static void convolve_backward_rows(size begin, size end, const Convolved *shape, const float *images, const float *grad,
                                   const uint8_t *where, float *grad_weight) {
    for (size row = begin; row < end; row++) {
        fetch_next(shape, grad, row);
        for (size column = 0; column < shape->out_width; column++) {
            const float *first = window_of(shape, images, row, column);
            const float *of_window = grad + given_at(shape, row, column);
            const uint8_t *places = where + (row * shape->out_width + column) * shape->outputs;
            for (size block = 0; block < shape->outputs; block += BLOCK) {
                Floats g = read_block(shape, of_window + block * shape->channel_step);
                Ints place = __builtin_convertvector(*(const Bytes *)(places + block), Ints);
                *(Floats *)(grad_weight + shape->taps * shape->outputs + block) += (Floats)((place != nowhere) & (Ints)g);
                float *sums = grad_weight + block;
                if (shape->windows == 4)
                    add_four(shape, first, g, place, sums);
                else
                    add_block(shape, first, g, place, sums);
            }
        }
    }
}

/* `parts` sums, each over an equal part of the windows, so that they are the same for any number of threads. */
void convolve_backward(const Convolved *shape, size images_count, const float *images, const float *grad, const uint8_t *where,
                       size parts, float *grad_weights) {
    size rows = images_count * shape->out_height, one = (shape->taps + 1) * shape->outputs;
    SHARE_OUT
    for (size part = THREAD; part < parts; part += THREADS)
        convolve_backward_rows(rows * part / parts, rows * (part + 1) / parts, shape, images, grad, where,
                               grad_weights + part * one);
}
