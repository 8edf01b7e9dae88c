// Sums over pixels, in two stages: a block sums one part of the pixels for 32 channels, then a block combines all parts.
// The parts are those of the CPU's kernels, so both write partial results of the same pixels.
#pragma once
#include "values.cuh"

// A block is 32 channels by 8 lanes; each lane takes every eighth pixel or part.
constexpr int COLUMNS = 32;
constexpr int LANES = THREADS / COLUMNS;

// Sum of `value` over the lanes of a column; valid in lane 0. All threads of the block must call it.
template <class T> __device__ T column_sum(T value) {
    __shared__ T sums[LANES][COLUMNS];
    const int column = threadIdx.x % COLUMNS, lane = threadIdx.x / COLUMNS;
    sums[lane][column] = value;
    __syncthreads();
    for (int half = LANES / 2; half > 0; half /= 2) {
        if (lane < half) sums[lane][column] += sums[lane + half][column];
        __syncthreads();
    }
    const T result = sums[0][column];
    // The next call must not write before all have read.
    __syncthreads();
    return result;
}

// Sum of `value` over the threads of the block; valid in thread 0. All threads of the block must call it, once in a kernel.
__device__ __forceinline__ double block_sum(double value) {
    __shared__ double sums[THREADS];
    sums[threadIdx.x] = value;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
        __syncthreads();
    }
    return sums[0];
}

// Part `blockIdx.x` of the pixels, channel of this thread, its first pixel and the end of its part.
struct Part {
    int index, channel, first, end;
    __device__ Part(int pixels, int each)
        : index(blockIdx.x), channel(blockIdx.y * COLUMNS + threadIdx.x % COLUMNS),
          first(blockIdx.x * each + threadIdx.x / COLUMNS), end(min(pixels, (int)(blockIdx.x + 1) * each)) {}
    __device__ bool is_lane_0() const { return threadIdx.x < COLUMNS; }
};

// Rows 2p and 2p + 1 of `partials`: sum du and inv * sum du (y - mean) of part p, with du = dz * act'(scale * y + shift).
// Passes dz to the gradient of the residual: 1 stores, 2 adds.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_pointwise_sums(Rows y, Rows dz, const float* scale, const float* shift, const float* mean, const float* inv, float* partials, int ldp, Rows residual, int pass, int pixels, int each, int channels, int act) {
    const Part part(pixels, each);
    const int c = part.channel;
    float sum = 0.0f, sum_hat = 0.0f;
    if (c < channels) {
        const float a = scale[c], b = shift[c], m = mean[c];
        for (int p = part.first; p < part.end; p += LANES) {
            const float v = y.load(y.place(p, c));
            float du = dz.load(dz.place(p, c));
            if (pass) residual.put(residual.place(p, c), du, pass == 2);
            if (act) du *= silu_slope(fmaf(v, a, b));
            sum += du;
            sum_hat = fmaf(du, v - m, sum_hat);
        }
    }
    sum = column_sum(sum);
    sum_hat = column_sum(sum_hat);
    if (part.is_lane_0() && c < channels) {
        partials[(size_t)(2 * part.index) * ldp + c] = sum;
        partials[(size_t)(2 * part.index + 1) * ldp + c] = sum_hat * inv[c];
    }
}

// Row p of `partials`: sum of dy over part p.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_bias_sums(Rows dy, float* partials, int ldp, int pixels, int each, int channels) {
    const Part part(pixels, each);
    float sum = 0.0f;
    if (part.channel < channels) {
        for (int p = part.first; p < part.end; p += LANES) sum += dy.load(dy.place(p, part.channel));
    }
    sum = column_sum(sum);
    if (part.is_lane_0() && part.channel < channels) partials[(size_t)part.index * ldp + part.channel] = sum;
}

// Sum over the parts of row `step * part + row` of `partials`, in double precision; valid in lane 0.
__device__ __forceinline__ double sum_of_parts(const float* partials, int ldp, int parts, int step, int row, int c, bool live) {
    double sum = 0.0;
    if (live) {
        for (int p = threadIdx.x / COLUMNS; p < parts; p += LANES) sum += (double)partials[(size_t)(step * p + row) * ldp + c];
    }
    return column_sum(sum);
}

// db += the sum of all parts.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_bias_gradient(const float* partials, int ldp, int parts, float* db, int channels) {
    const int c = blockIdx.x * COLUMNS + threadIdx.x % COLUMNS;
    const double sum = sum_of_parts(partials, ldp, parts, 1, 0, c, c < channels);
    // Rounded before the addition, as on the CPU.
    if (threadIdx.x < COLUMNS && c < channels) db[c] += (float)sum;
}

// Gradients of gamma and beta, and the coefficients k1 and k0 of the gradient of the input.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_norm_gradient(const float* partials, int ldp, int parts, const float* scale, const float* mean, const float* inv, float* dgamma, float* dbeta, float* k1, float* k0, int pixels, int channels) {
    const int c = blockIdx.x * COLUMNS + threadIdx.x % COLUMNS;
    const double sum = sum_of_parts(partials, ldp, parts, 2, 0, c, c < channels);
    const double sum_hat = sum_of_parts(partials, ldp, parts, 2, 1, c, c < channels);
    if (threadIdx.x >= COLUMNS || c >= channels) return;
    dgamma[c] += (float)sum_hat;
    dbeta[c] += (float)sum;
    const double n = pixels, a = scale[c];
    // k0 uses the rounded k1, so that k1 * y + k0 is centred at the mean.
    const float first = (float)(-a * (double)inv[c] * sum_hat / n);
    k1[c] = first;
    k0[c] = (float)(-a * sum / n - (double)first * (double)mean[c]);
}
