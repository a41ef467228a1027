# Vivado, for a script that packages a core and does nothing else: reuse/package_ip.tcl of a design folder.  It reads the
# design folder, and writes there or into the folder that it is given.

source [file join $dry::here vivado.tcl]
set dry::home [file dirname $dry::home]

rename dry::inside dry::inside_home
proc dry::inside {name path} {
    if {[llength $::argv] && [string match [file normalize [lindex $::argv 0]]* [file normalize $path]]} {
        return
    }
    inside_home $name $path
}

proc dry::finish {} {
    variable done
    need "the end" ipx::save_core
    if {"create_project" in $done} {
        fail "the project is still open (close_project)"
    }
}
