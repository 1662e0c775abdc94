# Part of installing the bundle: copies the shared libraries that `files` and `library` need, except the C library's own, and the
# licences of the packages they come from. Needs dpkg for the latter.
file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${files} LIBRARIES ${library} RESOLVED_DEPENDENCIES_VAR found UNRESOLVED_DEPENDENCIES_VAR missing
  PRE_EXCLUDE_REGEXES "^libapiq\\.so" "^ld-linux" "^lib(c|m|dl|rt|pthread|resolv|util|nsl|BrokenLocale|anl)\\.so")
if(missing)
  message(FATAL_ERROR "bundle: libraries that were not found: ${missing}")
endif()

set(root "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}")
set(shared_with_drivers "^lib(stdc\\+\\+|gcc_s|z|zstd|ffi|elf|tinfo|drm)\\.so")
foreach(path IN LISTS found)
  get_filename_component(name ${path} NAME)
  set(folder lib)
  if(name MATCHES "${shared_with_drivers}")
    set(folder lib/fallback)
  endif()
  # Under the name that programs ask for, one file instead of a chain of links.
  file(REAL_PATH ${path} real)
  file(MAKE_DIRECTORY ${root}/${folder})
  file(COPY_FILE ${real} ${root}/${folder}/${name} ONLY_IF_DIFFERENT)
  # The package database may know the place from before /lib became a link to /usr/lib.
  string(REGEX REPLACE "^/usr" "" before_merge ${real})
  execute_process(COMMAND dpkg-query --search ${real} ${before_merge} OUTPUT_VARIABLE owner ERROR_QUIET)
  if(owner MATCHES "^([^:]+):")
    set(package ${CMAKE_MATCH_1})
    if(EXISTS /usr/share/doc/${package}/copyright)
      file(COPY_FILE /usr/share/doc/${package}/copyright ${root}/share/doc/apiq-cl/licence-${package}.txt ONLY_IF_DIFFERENT)
    endif()
  else()
    message(FATAL_ERROR "bundle: no package owns ${path}, so its licence is unknown")
  endif()
endforeach()
