// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/version.hpp>

#if __cplusplus < 202002L
#error "prefer needs C++20: compile with -std=c++20 or newer"
#endif

// PREFER_HD marks arithmetic that every backend shares. It is always inlined on the host, because a loss has to become
// part of a driver that is compiled for another instruction set than the rest of the translation unit.
#if defined(__CUDACC__)
#define PREFER_HD __host__ __device__ inline __attribute__((always_inline))
#else
#define PREFER_HD inline __attribute__((always_inline))
#endif

// PREFER_HD_LAMBDA does the same for a lambda (written between its parameters and its body).
#define PREFER_HD_LAMBDA __attribute__((always_inline))

// PREFER_ABI names the inline namespace of everything that compiles to code, so that objects built by different
// compilers, for different instruction sets or with -ffast-math can meet in one program without sharing a function.
// Vocabulary types (views, status, parameters) are outside it and the same everywhere.
#if defined(__CUDACC__)
#define PREFER_ABI_COMPILER nv
#elif defined(__clang__)
#define PREFER_ABI_COMPILER clang
#else
#define PREFER_ABI_COMPILER gnu
#endif

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#if defined(__FAST_MATH__)
#define PREFER_ABI_TARGET avx512_fast
#else
#define PREFER_ABI_TARGET avx512
#endif
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#if defined(__FAST_MATH__)
#define PREFER_ABI_TARGET avx2_fast
#else
#define PREFER_ABI_TARGET avx2
#endif
#elif defined(__FAST_MATH__)
#define PREFER_ABI_TARGET base_fast
#else
#define PREFER_ABI_TARGET base
#endif

#define PREFER_ABI_JOIN(compiler, target, version) v##version##_##compiler##_##target
#define PREFER_ABI_NAME(compiler, target, version) PREFER_ABI_JOIN(compiler, target, version)
#define PREFER_ABI PREFER_ABI_NAME(PREFER_ABI_COMPILER, PREFER_ABI_TARGET, PREFER_VERSION_MINOR)
