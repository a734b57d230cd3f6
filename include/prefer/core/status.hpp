// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/config.hpp>
#include <prefer/core/element.hpp>

#include <cstdint>
#include <cstdio>
#include <exception>

namespace prefer {

// What went wrong. Numbers are stable: append only.
enum class errc : std::int32_t {
  ok = 0,
  bad_parameter = 1,             // a parameter outside its range
  null_data = 2,                 // a non-empty view of nothing
  bad_extent = 3,                // extents that do not agree, or are negative
  bad_stride = 4,                // a negative stride, or an output whose elements coincide
  bad_element = 5,               // an element type that this argument does not take
  missing_input = 6,             // the loss reads this field
  unused_input = 7,              // no loss reads this field
  missing_output = 8,            // nothing to write
  unavailable_output = 9,        // the loss does not produce this
  overlap = 10,                  // an output shares memory with another argument
  small_workspace = 11,          // the workspace has too few bytes
  bad_offsets = 12,              // offsets that decrease, start below zero or pass the end
  bad_index = 13,                // an index out of range
  bad_label = 14,                // a label outside its range
  not_a_number = 15,             // a NaN where the call was asked to reject them
  unsupported_isa = 16,          // this processor or this build lacks the instruction-set level
  capture_needs_workspace = 17,  // a stream that is being captured cannot allocate
  cuda_failure = 18,             // the CUDA runtime returned `native`
  not_connected = 19,            // the comparisons do not determine finite ratings
  not_converged = 20,            // the iteration limit was reached
  bad_execution = 21,            // an execution resource that contradicts itself
  bad_memory = 22,               // memory that this call cannot reach or may not write
};

// The answer of every call: trivially copyable, made without allocation. `argument` and `expected` are string literals;
// `got` and `limit` are the numbers behind the sentence, `index` the first offending element or -1.
struct [[nodiscard]] status {
  errc code = errc::ok;
  std::int32_t native = 0;
  const char* argument = "";
  const char* expected = "";
  double got = 0;
  double limit = 0;
  std::int64_t index = -1;

  constexpr bool ok() const { return code == errc::ok; }
  constexpr explicit operator bool() const { return ok(); }
};

// A sentence of bounded length, so that making it allocates nothing.
struct message_text {
  char text[320];
  const char* c_str() const { return text; }
};

constexpr const char* name_of(errc code) {
  switch (code) {
    case errc::ok: return "ok";
    case errc::bad_parameter: return "bad parameter";
    case errc::null_data: return "null data";
    case errc::bad_extent: return "bad extent";
    case errc::bad_stride: return "bad stride";
    case errc::bad_element: return "bad element type";
    case errc::missing_input: return "missing input";
    case errc::unused_input: return "unused input";
    case errc::missing_output: return "missing output";
    case errc::unavailable_output: return "unavailable output";
    case errc::overlap: return "overlap";
    case errc::small_workspace: return "workspace too small";
    case errc::bad_offsets: return "bad offsets";
    case errc::bad_index: return "bad index";
    case errc::bad_label: return "bad label";
    case errc::not_a_number: return "not a number";
    case errc::unsupported_isa: return "unsupported instruction-set level";
    case errc::capture_needs_workspace: return "capture needs a workspace";
    case errc::cuda_failure: return "CUDA failure";
    case errc::not_connected: return "not connected";
    case errc::not_converged: return "not converged";
    case errc::bad_execution: return "bad execution resource";
    case errc::bad_memory: return "bad memory";
  }
  return "unknown";
}

// "prefer: bad extent: policy_rejected is 7, expected the extent of policy_chosen, 8"
inline message_text message(const status& s) {
  message_text m;
  if (s.ok()) {
    std::snprintf(m.text, sizeof m.text, "prefer: ok");
    return m;
  }
  char where[32] = "";
  if (s.index >= 0) std::snprintf(where, sizeof where, "[%lld]", static_cast<long long>(s.index));
  switch (s.code) {
    case errc::bad_parameter:
    case errc::bad_offsets:
    case errc::bad_index:
    case errc::bad_label:
      std::snprintf(m.text, sizeof m.text, "prefer: %s: %s%s is %.17g, expected %s", name_of(s.code), s.argument, where,
                    s.got, s.expected);
      break;
    case errc::bad_extent:
    case errc::bad_stride:
    case errc::small_workspace:
    case errc::not_converged:
      std::snprintf(m.text, sizeof m.text, "prefer: %s: %s%s is %.17g, expected %s %.17g", name_of(s.code), s.argument,
                    where, s.got, s.expected, s.limit);
      break;
    case errc::cuda_failure:
      std::snprintf(m.text, sizeof m.text, "prefer: %s: %s returned error %d", name_of(s.code), s.argument,
                    static_cast<int>(s.native));
      break;
    case errc::bad_element:
      if (s.got != 0)
        std::snprintf(m.text, sizeof m.text, "prefer: %s: %s is %s, expected %s", name_of(s.code), s.argument,
                      name_of(static_cast<element>(static_cast<int>(s.got))), s.expected);
      else
        std::snprintf(m.text, sizeof m.text, "prefer: %s: %s: expected %s", name_of(s.code), s.argument, s.expected);
      break;
    case errc::bad_memory:
      if (s.got != 0) {
        std::snprintf(m.text, sizeof m.text, "prefer: %s: %s: expected %s %.17g", name_of(s.code), s.argument,
                      s.expected, s.got);
        break;
      }
      [[fallthrough]];
    default:
      std::snprintf(m.text, sizeof m.text, "prefer: %s: %s%s: expected %s", name_of(s.code), s.argument, where,
                    s.expected);
  }
  return m;
}

#if defined(__cpp_exceptions)
// What `check` throws: the status and its sentence.
class error : public std::exception {
 public:
  explicit error(const status& s) : status_(s), text_(message(s)) {}
  const char* what() const noexcept override { return text_.text; }
  const status& why() const noexcept { return status_; }

 private:
  status status_;
  message_text text_;
};

inline void check(const status& s) {
  if (!s.ok()) throw error(s);
}
#endif

}  // namespace prefer
