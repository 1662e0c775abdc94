# Programs, library, public headers and the package files that find_package(apiq) reads.
include(CMakePackageConfigHelpers)
install(TARGETS apiq EXPORT apiq_targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/apiq DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY data/tuning DESTINATION ${CMAKE_INSTALL_DATADIR}/apiq)
install(EXPORT apiq_targets NAMESPACE apiq:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/apiq FILE apiq-config.cmake)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/apiq-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/apiq-config-version.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/apiq)
