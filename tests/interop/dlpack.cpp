// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/interop/dlpack.hpp>

#include "interop/dlpack_stand_in.hpp"
#include "interop/same_answer.hpp"

#include <type_traits>
#include <vector>

namespace {

using prefer::element;
using prefer::errc;
using prefer::import_dlpack;
using prefer::space;
using prefer::status;
using prefer::view;

enum : int { cpu_memory = 1, cuda_memory = 2, pinned = 3, opencl = 4, rocm_pinned = 11, managed = 13 };
enum : std::uint8_t {
  code_int = 0,
  code_uint = 1,
  code_float = 2,
  code_bfloat = 4,
  code_complex = 5,
  code_bool = 6,
  code_e4m3 = 10
};

struct shaped {
  std::vector<std::int64_t> shape, strides;
  DLTensor tensor{};

  shaped(void* data, std::vector<std::int64_t> extents, std::uint8_t code = code_float, std::uint8_t bits = 32,
         std::vector<std::int64_t> steps = {})
      : shape(std::move(extents)), strides(std::move(steps)) {
    tensor.data = data;
    tensor.device.device_type = static_cast<decltype(tensor.device.device_type)>(cpu_memory);
    tensor.ndim = static_cast<int>(shape.size());
    tensor.dtype = {code, bits, 1};
    tensor.shape = shape.empty() ? nullptr : shape.data();
    tensor.strides = strides.empty() ? nullptr : strides.data();
  }
  shaped(const shaped&) = delete;

  shaped& on(int device) {
    tensor.device.device_type = static_cast<decltype(tensor.device.device_type)>(device);
    return *this;
  }
};

template <int Rank, space S = space::host>
status import_input(const shaped& t, prefer::input_view<Rank, S>* out = nullptr) {
  prefer::input_view<Rank, S> v;
  const status s = import_dlpack(t.tensor, v, "x");
  CHECK(v.given() == s.ok());
  if (out != nullptr) *out = v;
  return s;
}

doctest::String text(const status& s) { return prefer::message(s).text; }

TEST_CASE("pointer, extents, strides and type arrive unchanged") {
  float x[60] = {};
  prefer::input_view<2, space::host> v;
  REQUIRE(import_input(shaped(x, {3, 4}, code_float, 32, {20, 5}), &v).ok());
  CHECK((v.data == x && v.extent[0] == 3 && v.extent[1] == 4 && v.stride[0] == 20 && v.stride[1] == 5));
  CHECK(v.type == element::f32);
}

TEST_CASE("no strides mean compact and row-major") {
  float x[24] = {};
  prefer::input_view<3, space::host> v;
  REQUIRE(import_input(shaped(x, {2, 3, 4}), &v).ok());
  CHECK((v.stride[0] == 12 && v.stride[1] == 4 && v.stride[2] == 1));
}

TEST_CASE("byte_offset counts") {
  float x[8] = {};
  shaped t(x, {4});
  t.tensor.byte_offset = 3 * sizeof(float);
  prefer::input_view<1, space::host> v;
  REQUIRE(import_input(t, &v).ok());
  CHECK(v.data == x + 3);
}

TEST_CASE("a tensor without elements may have no data") {
  prefer::input_view<1, space::host> v;
  REQUIRE(import_input(shaped(nullptr, {0}), &v).ok());
  CHECK((v.given() && v.extent[0] == 0 && v.data == nullptr));
  CHECK(import_input<2>(shaped(nullptr, {0, 5})).ok());
  CHECK(import_input<2>(shaped(nullptr, {5, 0})).ok());
}

TEST_CASE("a tensor of no dimensions is one element") {
  double x = 1;
  prefer::input_view<1, space::host> v;
  REQUIRE(import_input(shaped(&x, {}, code_float, 64), &v).ok());
  CHECK((v.data == &x && v.extent[0] == 1 && v.stride[0] == 1));
  CHECK(import_input<2>(shaped(&x, {}, code_float, 64)).code == errc::bad_extent);
}

TEST_CASE("every element type of the closed list is known") {
  struct {
    std::uint8_t code, bits;
    element type;
  } const cases[] = {{code_float, 64, element::f64},   {code_float, 32, element::f32},  {code_float, 16, element::f16},
                     {code_bfloat, 16, element::bf16}, {code_int, 64, element::i64},    {code_int, 32, element::i32},
                     {code_uint, 8, element::u8},      {code_bool, 8, element::boolean}};
  alignas(8) char x[64] = {};
  for (const auto& c : cases) {
    prefer::input_view<1, space::host> v;
    REQUIRE(import_input(shaped(x, {8}, c.code, c.bits), &v).ok());
    CHECK(v.type == c.type);
  }
}

TEST_CASE("other element types are refused by name") {
  alignas(8) char x[64] = {};
  const auto refused = [&](std::uint8_t code, std::uint8_t bits) {
    const status s = import_input<1>(shaped(x, {2}, code, bits));
    CHECK(s.code == errc::bad_element);
    return text(s);
  };
  CHECK(refused(code_int, 16) ==
        "prefer: bad element type: x: expected int32 or int64 as signed integers, but they have another width");
  CHECK(refused(code_uint, 32) ==
        "prefer: bad element type: x: expected uint8 as unsigned integers, but they have another width");
  CHECK(refused(code_uint, 1) ==
        "prefer: bad element type: x: expected uint8 as unsigned integers, but they have another width");
  CHECK(refused(code_bool, 1) ==
        "prefer: bad element type: x: expected bool elements of one byte, but they are packed");
  CHECK(refused(code_float, 8) ==
        "prefer: bad element type: x: expected double, float, half or bfloat16, but the numbers have another width");
  CHECK(refused(code_complex, 64) == "prefer: bad element type: x: expected real numbers, but they are complex");
  CHECK(refused(code_e4m3, 8) ==
        "prefer: bad element type: x: expected double, float, half, bfloat16, int32, int64, uint8 or bool, but it is a "
        "type of another code");
  shaped lanes(x, {2});
  lanes.tensor.dtype.lanes = 4;
  const status s = import_input<1>(lanes);
  CHECK(s.code == errc::bad_element);
  CHECK(s.got == 0);
  CHECK(text(s) == "prefer: bad element type: x: expected one lane per element, but there are several");
}

TEST_CASE("memory is reached by the space of the view") {
  float x[2] = {};
  const auto host = [&](int device) { return import_input<1, space::host>(shaped(x, {2}).on(device)).code; };
  const auto device = [&](int where) { return import_input<1, space::device>(shaped(x, {2}).on(where)).code; };
  const auto any = [&](int where) { return import_input<1, space::any>(shaped(x, {2}).on(where)).code; };
  for (const int common : {pinned, managed}) {
    CHECK(host(common) == errc::ok);
    CHECK(device(common) == errc::ok);
    CHECK(any(common) == errc::ok);
  }
  CHECK((host(cpu_memory) == errc::ok && device(cpu_memory) == errc::bad_memory && any(cpu_memory) == errc::ok));
  CHECK((host(cuda_memory) == errc::bad_memory && device(cuda_memory) == errc::ok && any(cuda_memory) == errc::ok));
  CHECK((host(rocm_pinned) == errc::ok && device(rocm_pinned) == errc::bad_memory));
  CHECK((host(opencl) == errc::bad_memory && device(opencl) == errc::bad_memory && any(opencl) == errc::bad_memory));
  CHECK(text(import_input<1>(shaped(x, {2}).on(cuda_memory))) ==
        "prefer: bad memory: x: expected memory that the CPU reads (DLPack device 1, 3, 11 or 13), but it is on DLPack "
        "device 2");
  CHECK(text(import_input<1, space::device>(shaped(x, {2}))) ==
        "prefer: bad memory: x: expected memory that CUDA reads (DLPack device 2, 3 or 13), but it is on DLPack device "
        "1");
}

TEST_CASE("shapes that are no shape are refused") {
  float x[8] = {};
  CHECK(text(import_input<1>(shaped(x, {2, 4}))) ==
        "prefer: bad extent: x is 2, expected a tensor whose number of dimensions is 1");
  CHECK(text(import_input<1>(shaped(x, {-3}))) == "prefer: bad extent: x is -3, expected at least 0");
  CHECK(text(import_input<1>(shaped(nullptr, {3}))) ==
        "prefer: null data: x: expected a pointer to its elements, but it is null");
  shaped shapeless(x, {3});
  shapeless.tensor.shape = nullptr;
  CHECK(import_input<1>(shapeless).code == errc::null_data);
  constexpr std::int64_t huge = std::int64_t{1} << 40;
  CHECK(import_input<3>(shaped(x, {huge, huge, huge})).code == errc::bad_extent);
}

TEST_CASE("negative strides are refused where they matter") {
  float x[8] = {};
  CHECK(text(import_input<1>(shaped(x + 7, {8}, code_float, 32, {-1}))) ==
        "prefer: bad stride: x is -1, expected at least 0");
  prefer::input_view<2, space::host> v;
  REQUIRE(import_input(shaped(x, {1, 8}, code_float, 32, {-8, 1}), &v).ok());
  CHECK(v.stride[0] == 1);
  CHECK(import_input<1>(shaped(x, {8}, code_float, 32, {0})).ok());  // one number for all
}

TEST_CASE("an element must lie where its type can be read") {
  alignas(8) char x[64] = {};
  shaped t(x, {2});
  t.tensor.byte_offset = 2;
  CHECK(text(import_input<1>(t)) ==
        "prefer: bad memory: x: expected an address that is a multiple of the size of an element");
  shaped u(x, {2}, code_bfloat, 16);
  u.tensor.byte_offset = 2;
  CHECK(import_input<1>(u).ok());
}

TEST_CASE("managed tensors are read through, and read-only ones are no outputs") {
  float x[4] = {};
  const shaped t(x, {4});
  DLManagedTensor legacy{};
  legacy.dl_tensor = t.tensor;
  stand_in::managed_tensor_versioned versioned{{1, 9}, nullptr, nullptr, 0, t.tensor};
  prefer::input_view<1, space::host> in;
  prefer::output_view<1, space::host> out;
  CHECK(import_dlpack(legacy, in).ok());
  CHECK(import_dlpack(legacy, out).ok());
  CHECK(import_dlpack(versioned, in).ok());
  CHECK(import_dlpack(versioned, out).ok());
  CHECK((in.data == x && out.data == x));

  versioned.flags = 1;
  CHECK(import_dlpack(versioned, in).ok());
  CHECK(text(import_dlpack(versioned, out, "loss")) ==
        "prefer: bad memory: loss: expected memory that may be written, but the tensor is read-only");
  view<float> writes;
  view<const float> reads;
  CHECK(import_dlpack(versioned, writes).code == errc::bad_memory);
  CHECK(import_dlpack(versioned, reads).ok());

  versioned.flags = 0;
  versioned.version.major = 2;
  versioned.dl_tensor.shape = reinterpret_cast<std::int64_t*>(8);  // not to be touched
  CHECK(text(import_dlpack(versioned, in)) ==
        "prefer: bad memory: tensor: expected a tensor of DLPack's major version 1, but it is of version 2");
}

TEST_CASE("a typed view takes its own type only, and a refused tensor leaves it alone") {
  double x[4] = {};
  const shaped t(x, {4}, code_float, 64);
  view<double, 1, space::host> v;
  REQUIRE(import_dlpack(t.tensor, v).ok());
  CHECK((v.data == x && v.extent[0] == 4 && v.stride[0] == 1));
  view<float> w(reinterpret_cast<float*>(8), 2);
  const status s = import_dlpack(t.tensor, w, "scores");
  CHECK(text(s) == "prefer: bad element type: scores: expected float");
  CHECK((w.data == reinterpret_cast<float*>(8) && w.extent[0] == 2));
}

TEST_CASE_TEMPLATE("DPO through DLPack has the bits of DPO through pointers", T, float, double) {
  const interop::answer<T> expected = interop::raw_answer<T>();
  constexpr std::uint8_t bits = 8 * sizeof(T);
  std::vector<T> x(interop::pairs * interop::columns), g(interop::pairs * 2);
  for (int c = 0; c < interop::columns; ++c)
    for (std::int64_t i = 0; i < interop::pairs; ++i)
      x[static_cast<std::size_t>(i * interop::columns + c)] = interop::sample<T>(c, i);
  const auto column = [&](std::vector<T>& table, std::size_t c, std::int64_t width) {
    return shaped(table.data() + c, {interop::pairs}, code_float, bits, {width});
  };
  const shaped pc = column(x, 0, interop::columns), pr = column(x, 1, interop::columns),
               rc = column(x, 2, interop::columns), rr = column(x, 3, interop::columns), gc = column(g, 0, 2),
               gr = column(g, 1, 2);
  float loss = 0;
  const shaped total(&loss, {});

  prefer::pair_inputs<space::host> in;
  prefer::pair_outputs<space::host> out;
  REQUIRE(prefer::first_error(import_dlpack(pc.tensor, in.policy_chosen, "policy_chosen"),
                              import_dlpack(pr.tensor, in.policy_rejected, "policy_rejected"),
                              import_dlpack(rc.tensor, in.reference_chosen, "reference_chosen"),
                              import_dlpack(rr.tensor, in.reference_rejected, "reference_rejected"),
                              import_dlpack(total.tensor, out.loss, "loss"),
                              import_dlpack(gc.tensor, out.grad_policy_chosen, "grad_policy_chosen"),
                              import_dlpack(gr.tensor, out.grad_policy_rejected, "grad_policy_rejected"))
              .ok());
  REQUIRE(prefer::evaluate<float>(prefer::cpu{}, prefer::dpo{.beta = 0.1}, in, out).ok());
  interop::check_same(
      expected, loss, [&](std::int64_t i) { return g[static_cast<std::size_t>(2 * i)]; },
      [&](std::int64_t i) { return g[static_cast<std::size_t>(2 * i + 1)]; });
}

}  // namespace
