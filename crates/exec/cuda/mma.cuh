// One tensor-core product in TF32: C (16 x 8) += A (16 x 8) B (8 x 8), by the 32 lanes of a warp.
//
// With group = lane / 4 and part = lane % 4, a lane holds (row, k) = (group + 8 (r % 2), part + 4 (r / 2)) of A in a[r],
// (k, column) = (part + 4 r, group) of B in b[r], and (row, column) = (group + 8 (r / 2), 2 part + r % 2) of C in c[r]
// (PTX ISA, fragments of m16n8k8).
#pragma once

#ifdef CUDA_ON_HOST
#include "mma.h"
__device__ __forceinline__ float to_tf32(float v) { return host::to_tf32(v); }
__device__ __forceinline__ void mma(float (&c)[4], const float (&a)[4], const float (&b)[2]) { host::mma_16x8x8(c, a, b); }
#else
// GPUs before sm_80 have no TF32. The executor refuses it there, and the rest of the module must still load.
#if __CUDA_ARCH__ >= 800
// Rounds to the 10 bits of TF32's fraction, ties away from zero.
__device__ __forceinline__ float to_tf32(float v) {
    unsigned bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(v));
    return __uint_as_float(bits);
}
__device__ __forceinline__ void mma(float (&c)[4], const float (&a)[4], const float (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])), "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}
#else
__device__ __forceinline__ float to_tf32(float v) { return v; }
__device__ __forceinline__ void mma(float (&)[4], const float (&)[4], const float (&)[2]) { __trap(); }
#endif
#endif
