// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything, with CUDA. Including single headers compiles faster.
#include <prefer/core/evaluate_indexed.cuh>
#include <prefer/core/evaluate_tokens.cuh>
#include <prefer/core/validate.cuh>
#include <prefer/logp/denoising_step.cuh>
#include <prefer/logp/noise_error.cuh>
#include <prefer/loss/aot.cuh>
#include <prefer/loss/apo.cuh>
#include <prefer/loss/bco.cuh>
#include <prefer/loss/bradley_terry.cuh>
#include <prefer/loss/combine.cuh>
#include <prefer/loss/cpl.cuh>
#include <prefer/loss/cpo.cuh>
#include <prefer/loss/d3po.cuh>
#include <prefer/loss/diffusion_dpo.cuh>
#include <prefer/loss/diffusion_kto.cuh>
#include <prefer/loss/discopop.cuh>
#include <prefer/loss/dpo.cuh>
#include <prefer/loss/dpop.cuh>
#include <prefer/loss/exo.cuh>
#include <prefer/loss/f_dpo.cuh>
#include <prefer/loss/focal_ranking.cuh>
#include <prefer/loss/hinge.cuh>
#include <prefer/loss/ipo.cuh>
#include <prefer/loss/kto.cuh>
#include <prefer/loss/length_normalized_dpo.cuh>
#include <prefer/loss/lists.cuh>
#include <prefer/loss/nca.cuh>
#include <prefer/loss/nll.cuh>
#include <prefer/loss/orpo.cuh>
#include <prefer/loss/r_dpo.cuh>
#include <prefer/loss/regret.cuh>
#include <prefer/loss/robust_dpo.cuh>
#include <prefer/loss/seppo.cuh>
#include <prefer/loss/simper.cuh>
#include <prefer/loss/simpo.cuh>
#include <prefer/loss/slic.cuh>
#include <prefer/loss/sppo.cuh>
#include <prefer/loss/tdpo.cuh>
#include <prefer/loss/unpaired.cuh>
#include <prefer/mdp/bellman.cuh>
#include <prefer/mdp/softmax_value.cuh>
#include <prefer/prefer.hpp>
#include <prefer/rank/bradley_terry_fit.cuh>
