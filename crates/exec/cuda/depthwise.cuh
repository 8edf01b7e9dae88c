// Convolution in which every channel has its own window, both ways. Weights are [tap][channel].
#pragma once
#include "conv_forward.cuh"
#include "spatial.cuh"
#include "sums.cuh"

extern "C" __global__ void __launch_bounds__(THREADS) bonsai_depthwise(Rows x, const float* w, Rows y, const float* bias, Rows residual, int act, Window s) {
    for (size_t i = first_value(); i < (size_t)s.n * s.oh * s.ow * s.oc; i += value_step()) {
        const int c = (int)(i % s.oc);
        const size_t p = i / s.oc;
        const Corner at((int)p, s);
        float sum = 0.0f;
        for (int tap = 0; tap < s.kh * s.kw; tap++) {
            const int iy = at.y + tap / s.kw, ix = at.x + tap % s.kw;
            if (iy < 0 || iy >= s.ih || ix < 0 || ix >= s.iw) continue;
            sum = fmaf(x.load(x.place(((size_t)at.image * s.ih + iy) * s.iw + ix, c)), w[tap * s.oc + c], sum);
        }
        if (bias) sum += bias[c];
        if (act) sum = silu(sum);
        if (residual) sum += residual.load(residual.place(p, c));
        y.store(y.place(p, c), sum);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) bonsai_depthwise_input(Rows dy, const float* w, Rows dx, int accumulate, Window s) {
    gather_gradient(dx, accumulate, s, [&](float sum, size_t q, int tap, int c) {
        return fmaf(dy.load(dy.place(q, c)), w[tap * s.ic + c], sum);
    });
}

// partials[part][tap][channel]: sums over a part of the output pixels (blockIdx.x) for one tap (blockIdx.z).
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_depthwise_weight(Rows x, Rows dy, float* partials, int each, Window s) {
    const Part part(s.n * s.oh * s.ow, each);
    const int c = part.channel, tap = blockIdx.z;
    float sum = 0.0f;
    if (c < s.oc) {
        for (int p = part.first; p < part.end; p += LANES) {
            const Corner at(p, s);
            const int iy = at.y + tap / s.kw, ix = at.x + tap % s.kw;
            if (iy < 0 || iy >= s.ih || ix < 0 || ix >= s.iw) continue;
            sum = fmaf(x.load(x.place(((size_t)at.image * s.ih + iy) * s.iw + ix, c)), dy.load(dy.place(p, c)), sum);
        }
    }
    sum = column_sum(sum);
    if (part.is_lane_0() && c < s.oc) partials[((size_t)part.index * s.kh * s.kw + tap) * s.oc + c] = sum;
}
