// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/execution.hpp>
#include <prefer/core/lane.hpp>
#include <prefer/core/status.hpp>

#if defined(__clang__) && defined(__x86_64__)
#include <cpuid.h>
#endif

// The instruction-set levels of one translation unit. A level is the baseline (what the compiler was told) plus
// features, never another -march, so that everything inlined into it stays compatible whatever flags the user chose.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
using base_level = level::avx512;
inline constexpr isa base_isa = isa::avx512;
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
using base_level = level::avx2;
inline constexpr isa base_isa = isa::avx2;
#else
using base_level = level::base;
inline constexpr isa base_isa = isa::base;
#endif

#if defined(__x86_64__)
// Asked once, since a virtual machine may have to leave its guest for it. clang 14 has no name for this feature.
inline bool has_f16c() {
#if defined(__clang__)
  static const bool found = [] {
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
  }();
  return found;
#else
  return __builtin_cpu_supports("f16c");
#endif
}
inline bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2") && has_f16c();
}
inline bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}
inline isa best_isa() {
  const isa found = has_avx512() ? isa::avx512 : has_avx2() ? isa::avx2 : isa::base;
  return found < base_isa ? base_isa : found;
}
#else
inline isa best_isa() { return isa::base; }
#endif

// Work is a class with `template <class Level> static void run(Arguments&)`, always inlined into one of these. Its
// arguments are passed by reference: nothing but a pointer crosses from one level to another.
template <class Work, class Arguments>
void run_base(Arguments& a) {
  Work::template run<base_level>(a);
}
#if defined(__x86_64__)
template <class Work, class Arguments>
__attribute__((target("avx2,fma,f16c,bmi,bmi2"))) void run_avx2(Arguments& a) {
  Work::template run<level::avx2>(a);
}
template <class Work, class Arguments>
__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,bmi,bmi2"))) void run_avx512(Arguments& a) {
  Work::template run<level::avx512>(a);
}
#endif

template <class Work, class Arguments>
void run_at(isa level, Arguments& a) {
#if defined(__x86_64__)
  if constexpr (base_isa < isa::avx512)
    if (level == isa::avx512) return run_avx512<Work>(a);
  if constexpr (base_isa < isa::avx2)
    if (level == isa::avx2) return run_avx2<Work>(a);
#endif
  run_base<Work>(a);
}

// The same for a level that is known.
template <class Level, class Work, class Arguments>
void run_as(Arguments& a) {
#if defined(__x86_64__)
  if constexpr (std::is_same_v<Level, level::avx512> && base_isa < isa::avx512) return run_avx512<Work>(a);
  if constexpr (std::is_same_v<Level, level::avx2> && base_isa < isa::avx2) return run_avx2<Work>(a);
#endif
  run_base<Work>(a);
}

template <class Level>
inline constexpr isa isa_of = isa::base;
template <>
inline constexpr isa isa_of<level::avx2> = isa::avx2;
template <>
inline constexpr isa isa_of<level::avx512> = isa::avx512;

}  // namespace detail

// The level that a call on `exec` will use, or unsupported_isa when the processor or the build lacks what was asked
// for.
inline status resolve_isa(const cpu& exec, isa& level) {
  const isa best = detail::best_isa();
  level = exec.isa == isa::automatic ? best : exec.isa == isa::base ? detail::base_isa : exec.isa;
  status s;
  if (level <= best && level >= detail::base_isa) return s;
  s.code = errc::unsupported_isa;
  s.argument = "exec.isa";
  s.expected =
      level > best ? "a level that this processor has" : "base or a level above the one this file was compiled for";
  return s;
}

}  // namespace PREFER_ABI
}  // namespace prefer
