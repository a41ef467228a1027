# Stand-ins for Vivado's commands that package an IP core (UG835, UG1118), for a dry run:
#
#     tclsh vivado_ip.tcl SCRIPT [ARGUMENT ...]
#
# runs SCRIPT to its end and prints what was packaged, a line a fact.  Each command knows its options, its objects and
# their properties, and stops where Vivado would: unknown files, ports, interfaces, names that are taken.

proc fail {sentence} { error "stand-in: $sentence" }

set known(file) {file_type}
set known(fileset) {top}
set known(core) {name version display_name description}
set known(bus) {
    bus_type_vlnv abstraction_type_vlnv interface_mode slave_memory_map_ref master_address_space_ref
}
set known(portmap) {physical_name}
set known(parameter) {value}
set known(block) {base_address range width usage access}
set known(register) {address_offset size access}
set known(space) {range width}

set logical(axis) {TDATA TID TLAST TVALID TREADY TKEEP TSTRB TDEST TUSER}
set logical(aximm) {
    AWID AWADDR AWLEN AWSIZE AWBURST AWCACHE AWPROT AWVALID AWREADY WDATA WSTRB WLAST WVALID WREADY BID BRESP BVALID
    BREADY ARID ARADDR ARLEN ARSIZE ARBURST ARCACHE ARPROT ARVALID ARREADY RID RDATA RRESP RLAST RVALID RREADY
}
set logical(clock) {CLK}
set logical(reset) {RST}
set logical(interrupt) {INTERRUPT}

set parameters {
    PROTOCOL READ_WRITE_MODE POLARITY ASSOCIATED_BUSIF ASSOCIATED_RESET SENSITIVITY FREQ_HZ
}

set files {}
namespace eval ipx {}
array set made {}
array set property {}
set steps {}

# Splits off the options: -name, or -name: with a value.
proc options {command allowed words} {
    set found {}
    set rest {}
    for {set i 0} {$i < [llength $words]} {incr i} {
        set word [lindex $words $i]
        if {"$word:" in $allowed} {
            dict set found $word [lindex $words [incr i]]
        } elseif {$word in $allowed} {
            dict set found $word 1
        } elseif {[string match -* $word]} {
            fail "$command has no option $word"
        } else {
            lappend rest $word
        }
    }
    return [list $found $rest]
}

proc make {kind name parent} {
    global made
    set object "$parent/$kind:$name"
    if {[info exists made($object)]} { fail "$object is there already" }
    set made($object) 1
    return $object
}

proc kind {object} {
    global made
    if {![info exists made($object)]} { fail "there is no object $object" }
    return [lindex [split [lindex [split $object /] end] :] 0]
}

proc need {object kinds} {
    if {[kind $object] ni $kinds} { fail "$object is none of $kinds" }
}

proc after {step} {
    global steps
    if {$step ni $steps} { fail "$step must come first" }
}

proc create_project {args} {
    lassign [options create_project {-force -part:} $args] found rest
    if {![dict exists $found -part] || [llength $rest] != 2} { fail "create_project takes a part, a name and a folder" }
    if {![regexp {^xc[a-z0-9]+(-[a-z0-9]+)*-[123](-[a-z]|[a-zA-Z])?$} [dict get $found -part]]} { fail "no part: [dict get $found -part]" }
    file mkdir [lindex $rest 1]
    lappend ::steps create_project
    make fileset sources_1 ""
}

proc add_files {args} {
    after create_project
    lassign [options add_files {-norecurse -fileset:} $args] found rest
    foreach path [lindex $rest 0] {
        if {![file isfile $path]} { fail "add_files: '$path' does not exist" }
        if {$path in $::files} { fail "add_files: '$path' is there already" }
        lappend ::files $path
        make file [string map {/ |} $path] ""
    }
}

proc get_files {paths} {
    set found {}
    foreach path $paths {
        if {$path ni $::files} { fail "get_files: '$path' was not added" }
        lappend found "/file:[string map {/ |} $path]"
    }
    return $found
}

proc current_fileset {} { return /fileset:sources_1 }

proc update_compile_order {args} {
    options update_compile_order {-fileset:} $args
    lappend ::steps update_compile_order
}

proc set_property {name value objects} {
    global known property
    foreach object $objects {
        if {$name ni $known([kind $object])} { fail "a [kind $object] has no property $name" }
        set property($object,$name) $value
    }
}

proc get_property {name object} {
    if {$name ne "name"} { fail "get_property $name is not known" }
    kind $object
    return [lindex [split $object :] end]
}

# The ports of the top in the files that were added.
proc read_ports {top} {
    global ports
    foreach path $::files {
        if {[file extension $path] ne ".v"} continue
        set file [open $path]
        set text [read $file]
        close $file
        if {![regexp "\nmodule $top\\((.*?)\nendmodule" $text all]} continue
        foreach {line direction high name} [regexp -all -inline -line {^ *(input|output) (?:\[(\d+):0\] )?(\w+);} $all] {
            set ports($name) $direction
        }
        return
    }
    fail "no file has the module $top"
}

proc ipx::package_project {args} {
    global property root
    after update_compile_order
    set allowed {-root_dir: -vendor: -library: -taxonomy: -import_files -set_current: -force -archive_source_project:}
    lassign [options ipx::package_project $allowed $args] found rest
    foreach word {-root_dir -vendor -library -taxonomy} {
        if {![dict exists $found $word]} { fail "package_project needs $word" }
    }
    if {$rest ne ""} { fail "package_project takes no $rest" }
    set root [dict get $found -root_dir]
    read_ports $property(/fileset:sources_1,top)
    make core core ""
    make bus aclk /core:core
    make bus s_axis /core:core
    lappend ::steps package_project
    return /core:core
}

proc ipx::current_core {} {
    after package_project
    return /core:core
}

proc ipx::get_bus_interfaces {args} {
    lassign [options ipx::get_bus_interfaces {-of_objects:} $args] found rest
    need [dict get $found -of_objects] core
    return [lsearch -all -inline -regexp [lsort [array names ::made]] {^/core:core/bus:[^/]*$}]
}

proc ipx::remove_bus_interface {name core} {
    need $core core
    kind $core/bus:$name
    array unset ::made $core/bus:$name*
}

proc ipx::add_bus_interface {name core} { need $core core; make bus $name $core }
proc ipx::add_memory_map {name core} { need $core core; make map $name $core }
proc ipx::add_address_space {name core} { need $core core; make space $name $core }
proc ipx::add_port_map {name bus} { need $bus bus; make portmap $name $bus }
proc ipx::add_address_block {name map} { need $map map; make block $name $map }
proc ipx::add_register {name block} { need $block block; make register $name $block }
proc ipx::add_bus_parameter {name bus} {
    need $bus bus
    if {$name ni $::parameters} { fail "no bus parameter is named $name" }
    make parameter $name $bus
}
proc ipx::create_xgui_files {core} { need $core core; lappend ::steps create_xgui_files }
proc ipx::update_checksums {core} { need $core core; lappend ::steps update_checksums }
proc ipx::check_integrity {core} { need $core core; check; lappend ::steps check_integrity }
proc ipx::save_core {core} {
    need $core core
    foreach step {create_xgui_files update_checksums check_integrity} { after $step }
    close [open [file join $::root component.xml] w]
    lappend ::steps save_core
}
proc close_project {} { after save_core; lappend ::steps close_project }

# What the core is in the end, and whether it is whole.
proc check {} {
    global made property ports logical known
    array set taken {}
    set buses [ipx::get_bus_interfaces -of_objects /core:core]
    foreach bus $buses {
        foreach name {bus_type_vlnv abstraction_type_vlnv interface_mode} {
            if {![info exists property($bus,$name)]} { fail "$bus has no $name" }
        }
        set type [lindex [split $property($bus,bus_type_vlnv) :] 2]
        if {![regexp "^xilinx.com:(interface|signal):${type}_rtl:1.0$" $property($bus,abstraction_type_vlnv)]} {
            fail "$bus: $property($bus,abstraction_type_vlnv) is no abstraction of $type"
        }
        if {$property($bus,interface_mode) ni {master slave}} { fail "$bus: no mode $property($bus,interface_mode)" }
        foreach map [array names made $bus/portmap:*] {
            set name [lindex [split $map :] end]
            set port $property($map,physical_name)
            if {$name ni $logical($type)} { fail "$type has no signal $name" }
            if {![info exists ports($port)]} { fail "the top has no port $port" }
            if {[info exists taken($port)]} { fail "the port $port is in two interfaces" }
            set taken($port) 1
        }
        set ref "[expr {$property($bus,interface_mode) eq "slave" ? "slave_memory_map" : "master_address_space"}]_ref"
        if {$type eq "aximm"} {
            if {![info exists property($bus,$ref)]} { fail "$bus has no $ref" }
            kind /core:core/[string map {slave_memory_map_ref map master_address_space_ref space} $ref]:$property($bus,$ref)
        }
    }
    foreach port [array names ports] {
        if {![info exists taken($port)]} { fail "the port $port is in no interface" }
    }
    foreach object [array names made */bus:*/parameter:ASSOCIATED_*] {
        foreach name [split $property($object,value) :] { kind /core:core/bus:$name }
    }
}

set argv0 [lindex $argv 0]
set argv [lrange $argv 1 end]
proc unknown {args} { fail "the command [lindex $args 0] is not known" }
source $argv0
after close_project
foreach object [lsort [array names made]] { puts "object $object" }
foreach name [lsort [array names property]] { puts "property $name = $property($name)" }
