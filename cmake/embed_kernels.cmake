# Turns every file under cl/ into a byte array, so that a program needs no data files to run its kernels.
# Used twice: included by CMakeLists.txt (defines the function), and run with -P at build time (writes the source).
if(CMAKE_SCRIPT_MODE_FILE)
  set(body "// Generated from cl/ by cmake/embed_kernels.cmake.\n#include \"runtime/embedded_kernels.hpp\"\n\nnamespace apiq::runtime {\nnamespace {\n")
  set(table "")
  set(index 0)
  string(REPLACE "|" ";" FILES "${FILES}")
  foreach(file IN LISTS FILES)
    file(READ ${ROOT}/${file} hex HEX)
    string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${hex}")
    string(APPEND body "constexpr char kFile${index}[] = {${bytes}'\\0'};\n")
    string(APPEND table "    {\"${file}\", {kFile${index}, sizeof(kFile${index}) - 1}},\n")
    math(EXPR index "${index} + 1")
  endforeach()
  string(APPEND body "constexpr EmbeddedFile kFiles[] = {\n${table}};\n}  // namespace\n\n"
    "std::span<const EmbeddedFile> embedded_files() { return kFiles; }\n\n}  // namespace apiq::runtime\n")
  file(WRITE ${OUTPUT} "${body}")
  return()
endif()

function(apiq_embed_kernels target)
  file(GLOB_RECURSE files RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/cl/*.cl ${PROJECT_SOURCE_DIR}/cl/*.h)
  list(SORT files)
  set(output ${PROJECT_BINARY_DIR}/generated/embedded_kernels.cpp)
  list(TRANSFORM files PREPEND ${PROJECT_SOURCE_DIR}/ OUTPUT_VARIABLE paths)
  string(REPLACE ";" "|" list "${files}")  # a list does not survive as one argument, escaped or not
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} "-DROOT=${PROJECT_SOURCE_DIR}" "-DFILES=${list}" "-DOUTPUT=${output}" -P ${PROJECT_SOURCE_DIR}/cmake/embed_kernels.cmake
    DEPENDS ${paths} ${PROJECT_SOURCE_DIR}/cmake/embed_kernels.cmake
    COMMENT "Embedding kernels" VERBATIM)
  add_library(${target}_kernels OBJECT ${output})
  set_target_properties(${target}_kernels PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_include_directories(${target}_kernels PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:${target}_kernels>)
endfunction()
