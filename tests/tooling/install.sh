# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by the run.sh scripts. need_packages NAME...: installs the Debian packages that are missing and says which; where
# it may not, prints the one line to run and stops.
need_packages() {
  local missing=()
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  if [ "$(id -u)" -eq 0 ]; then
    echo "Installing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null 2>"$build/apt.log" ||
      { echo "apt-get failed:"; cat "$build/apt.log"; exit 1; }
  else
    echo "Some packages are missing. Please run:"
    echo "  sudo apt-get install --no-install-recommends ${missing[*]}"
    exit 1
  fi
}

# nvcc_home: the CUDA folder of the nvcc on the path (which may be a wrapper script), or nothing.
nvcc_home() {
  command -v nvcc >/dev/null 2>&1 || return 0
  nvcc --dryrun -x cu /dev/null 2>&1 | sed -n 's/^#\$ TOP=//p' | head -n 1
}

# run_suite NAME COMMAND...: runs a command and remembers how long it took and whether it passed.
suites=()
failed=0
run_suite() {
  local name=$1 start=$SECONDS state=passed
  shift
  printf '\n==== %s\n' "$name"
  "$@" || { state=FAILED; failed=$((failed + 1)); }
  suites+=("$(printf '%-40s %6d s  %s' "$name" $((SECONDS - start)) "$state")")
}
print_suites() {
  printf '\n%-40s %8s\n' suite time
  printf '%s\n' "${suites[@]}"
}
