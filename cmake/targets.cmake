# One library a folder, and for a daemon a program of its main.c. Sources
# are what lies in the folder: to add a file is to write it.
function(millrace_library name)
	file(GLOB sources CONFIGURE_DEPENDS *.c)
	list(FILTER sources EXCLUDE REGEX "/main\\.c$")
	add_library(${name} STATIC ${sources})
	target_link_libraries(${name} PRIVATE millrace_flags PUBLIC ${ARGN})
endfunction()

function(millrace_program name)
	add_executable(${name} main.c)
	target_link_libraries(${name} PRIVATE millrace_flags ${ARGN} ${MILLRACE_MALLOC})
	install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()

# Every test_*.c of a folder is one cmocka program, linked with the library of that name.
function(millrace_unit_tests folder)
	file(GLOB tests CONFIGURE_DEPENDS ${folder}/test_*.c)
	foreach(source ${tests})
		get_filename_component(name ${source} NAME_WE)
		set(target unit_${folder}_${name})
		add_executable(${target} ${source})
		target_link_libraries(${target} PRIVATE millrace_flags cmocka ${ARGN})
		add_test(NAME unit/${folder}/${name} COMMAND ${target} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
		set_tests_properties(unit/${folder}/${name} PROPERTIES TIMEOUT 120 SKIP_RETURN_CODE 77)
	endforeach()
endfunction()
