# cmake --install into the build tree, then a project that knows nothing but that prefix: configure, build, run; the installed
# programs must start from there as well.
set(prefix ${BUILD}/install-test/prefix)
set(work ${BUILD}/install-test/consumer)
file(REMOVE_RECURSE ${BUILD}/install-test)

function(step)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    string(JOIN " " command ${ARGN})
    message(FATAL_ERROR "failed (${status}): ${command}\n${output}")
  endif()
  message("${output}")
endfunction()

step(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})
step(${CMAKE_COMMAND} -S ${CONSUMER} -B ${work} -G Ninja -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_CXX_COMPILER=${COMPILER})
step(${CMAKE_COMMAND} --build ${work})
step(${work}/consumer)
file(GLOB programs ${prefix}/bin/apiq-*)
foreach(program IN LISTS programs)
  step(${program} --version)
endforeach()
