// Statistics of batch norm, and its coefficients.
#pragma once
#include "sums.cuh"

// Mean and sum of squared deviations of `n` values.
template <class T> struct Moments {
    T n, mean, m2;
    __device__ void add(T value) {
        n += 1;
        const T delta = value - mean;
        mean += delta / n;
        m2 += delta * (value - mean);
    }
    // Chan's formula for the moments of both sets.
    __device__ void add(const Moments& other) {
        const T total = n + other.n;
        if (total == 0) return;
        const T delta = other.mean - mean;
        mean += delta * (other.n / total);
        m2 += other.m2 + delta * delta * (n * (other.n / total));
        n = total;
    }
};

// The moments of all lanes of a column; valid in lane 0. All threads of the block must call it.
template <class T> __device__ Moments<T> column_moments(Moments<T> own) {
    __shared__ T n[LANES][COLUMNS], mean[LANES][COLUMNS], m2[LANES][COLUMNS];
    const int column = threadIdx.x % COLUMNS, lane = threadIdx.x / COLUMNS;
    for (int half = LANES / 2; half > 0; half /= 2) {
        n[lane][column] = own.n;
        mean[lane][column] = own.mean;
        m2[lane][column] = own.m2;
        __syncthreads();
        if (lane < half) own.add(Moments<T>{n[lane + half][column], mean[lane + half][column], m2[lane + half][column]});
        __syncthreads();
    }
    return own;
}

// Rows 2p and 2p + 1 of `partials`: mean and sum of squared deviations of part p.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_moments(Rows y, float* partials, int ldp, int pixels, int each, int channels) {
    const Part part(pixels, each);
    Moments<float> own{0.0f, 0.0f, 0.0f};
    if (part.channel < channels) {
        for (int p = part.first; p < part.end; p += LANES) own.add(y.load(y.place(p, part.channel)));
    }
    own = column_moments(own);
    if (part.is_lane_0() && part.channel < channels) {
        partials[(size_t)(2 * part.index) * ldp + part.channel] = own.mean;
        partials[(size_t)(2 * part.index + 1) * ldp + part.channel] = own.m2;
    }
}

// Combines the moments of all parts into scale and shift, and updates the running statistics.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_batch_norm(const float* partials, int ldp, int parts, int each, int pixels, const float* gamma, const float* beta, float* running_mean, float* running_var, float momentum, float eps, float* mean, float* inv, float* scale, float* shift, int channels) {
    const int c = blockIdx.x * COLUMNS + threadIdx.x % COLUMNS;
    Moments<double> all{0.0, 0.0, 0.0};
    if (c < channels) {
        for (int p = threadIdx.x / COLUMNS; p < parts; p += LANES) {
            const double n = min(each, pixels - p * each);
            all.add(Moments<double>{n, partials[(size_t)(2 * p) * ldp + c], partials[(size_t)(2 * p + 1) * ldp + c]});
        }
    }
    all = column_moments(all);
    if (threadIdx.x >= COLUMNS || c >= channels) return;
    const double by = momentum, old_mean = running_mean[c], old_var = running_var[c];
    running_mean[c] = (float)(old_mean + by * (all.mean - old_mean));
    running_var[c] = (float)(old_var + by * (all.m2 / (all.n - 1.0) - old_var));
    const double deviation = inverse_deviation(all.m2 / all.n, eps);
    const float rounded = (float)((double)gamma[c] * deviation);
    mean[c] = (float)all.mean;
    inv[c] = (float)deviation;
    scale[c] = rounded;
    shift[c] = (float)((double)beta[c] - all.mean * (double)rounded);
}

// Scale and shift from fixed statistics.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_frozen_norm(const float* gamma, const float* beta, const float* mean, const float* var, float eps, float* scale, float* shift, int channels) {
    const int c = (int)first_value();
    if (c >= channels) return;
    const float rounded = (float)((double)gamma[c] * inverse_deviation(var[c], eps));
    scale[c] = rounded;
    shift[c] = (float)((double)beta[c] - (double)mean[c] * (double)rounded);
}
