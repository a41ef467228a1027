# Vivado's IP packager, after UG835 (commands), UG1118 (packaging) and UG1119: the objects of a core, each with the
# properties that it may have, and what makes a core whole.  What was packaged is in the record as dry::packaged.

namespace eval dry {
    # Cores that were saved, by vendor:library:name; and the one that is being packaged: its objects and properties.
    variable cores
    array set cores {}
    variable root {}
    variable made
    array set made {}
    variable property
    array set property {}
    variable properties
    array set properties {
        core {name version display_name description}
        bus {bus_type_vlnv abstraction_type_vlnv interface_mode slave_memory_map_ref master_address_space_ref}
        portmap {physical_name}
        parameter {value}
        map {}
        block {base_address range width usage access}
        register {address_offset size access}
        space {range width}
    }
    variable logical
    array set logical {
        axis {TDATA TID TLAST TVALID TREADY TKEEP TSTRB TDEST TUSER}
        aximm {
            AWID AWADDR AWLEN AWSIZE AWBURST AWCACHE AWPROT AWVALID AWREADY WDATA WSTRB WLAST WVALID WREADY BID BRESP
            BVALID BREADY ARID ARADDR ARLEN ARSIZE ARBURST ARCACHE ARPROT ARVALID ARREADY RID RDATA RRESP RLAST RVALID
            RREADY
        }
        clock {CLK}
        reset {RST}
        interrupt {INTERRUPT}
    }
    variable parameters {
        PROTOCOL READ_WRITE_MODE POLARITY ASSOCIATED_BUSIF ASSOCIATED_RESET SENSITIVITY FREQ_HZ
    }
}

proc dry::make {name kind path} {
    variable made
    if {[info exists made($kind:$path)]} {
        fail "$name: $kind:$path is there already"
    }
    set made($kind:$path) 1
    return $kind:$path
}

# The path of an object, which must be there and of its kind.
proc dry::object {name kind wanted} {
    variable made
    if {![info exists made($wanted)]} {
        fail "$name: there is no object $wanted"
    }
    if {![regexp "^$kind:(.*)\$" $wanted - path]} {
        fail "$name: $wanted is no $kind"
    }
    return $path
}

foreach kind [array names dry::properties] {
    proc dry::set_$kind {name key value of} [string map [list KIND $kind] {
        variable properties
        variable property
        object $name KIND KIND:$of
        if {$key ni $properties(KIND)} {
            fail "$name: a KIND has no property $key"
        }
        set property(KIND:$of,$key) $value
    }]
}

dry::command ipx::package_project {
    -root_dir: -vendor: -library: -taxonomy: -import_files -force -set_current: -archive_source_project:
} 0 0 {
    variable made
    variable property
    variable ports
    variable root
    variable top
    need $name create_project update_compile_order
    foreach option {-root_dir -vendor -library -taxonomy} {
        if {![info exists opt($option)]} {
            fail "$name: the option $option is missing"
        }
    }
    inside $name $opt(-root_dir)
    if {![info exists top]} {
        fail "$name comes before the top is set (set_property top)"
    }
    elaborate $name $top
    check_images $name
    set root $opt(-root_dir)
    array unset made
    array unset property
    make $name core $opt(-vendor):$opt(-library)
    array set property [list core:$opt(-vendor):$opt(-library),name $top core:$opt(-vendor):$opt(-library),version 1.0]
    # Interfaces that Vivado finds by the names of ports.
    foreach port [lsort [array names ports]] {
        if {$port in {aclk aresetn}} {
            make $name bus $port
        } elseif {[regexp {^(.*)_(tvalid|arvalid)$} $port - prefix]} {
            make $name bus $prefix
        }
    }
    did $name
    return [ipx::current_core]
}

dry::command ipx::current_core {} 0 0 {
    variable made
    need $name ipx::package_project
    return [array names made core:*]
}

dry::command ipx::get_bus_interfaces {-of_objects:} 0 0 {
    variable made
    object $name core $opt(-of_objects)
    return [lsort [array names made bus:*]]
}

dry::command ipx::remove_bus_interface {} 2 2 {
    variable made
    variable property
    lassign $words bus core
    object $name core $core
    object $name bus bus:$bus
    foreach kind {bus:$bus portmap:$bus/* parameter:$bus/*} {
        array unset made [subst $kind]
        array unset property [subst $kind],*
    }
}

foreach {add kind parent} {
    add_bus_interface bus core add_memory_map map core add_address_space space core
    add_port_map portmap bus add_bus_parameter parameter bus add_address_block block map add_register register block
} {
    dry::command ipx::$add {} 2 2 [string map [list KIND $kind PARENT $parent] {
        variable parameters
        lassign $words child parent
        set path [object $name PARENT $parent]
        if {"KIND" eq "parameter" && $child ni $parameters} {
            fail "$name: no parameter of an interface is named $child"
        }
        return [make $name KIND [expr {"PARENT" eq "core" ? $child : "$path/$child"}]]
    }]
}

dry::command ipx::create_xgui_files {} 1 1 {
    object $name core [lindex $words 0]
    did $name
}

dry::command ipx::update_checksums {} 1 1 {
    object $name core [lindex $words 0]
    did $name
}

dry::command ipx::check_integrity {-quiet} 1 1 {
    object $name core [lindex $words 0]
    check_core $name
    did $name
}

# The last part of xilinx.com:interface:axis:1.0 that says what it is.
proc dry::bus_type {bus} {
    variable property
    return [lindex [split $property($bus,bus_type_vlnv) :] 2]
}

# Every interface has a type, a mode and signals that the top has, and every port is in one interface.
proc dry::check_core {name} {
    variable made
    variable property
    variable ports
    variable logical
    array set taken {}
    foreach bus [lsort [array names made bus:*]] {
        set path [object $name bus $bus]
        foreach key {bus_type_vlnv abstraction_type_vlnv interface_mode} {
            if {![info exists property($bus,$key)]} {
                fail "$name: $bus has no $key"
            }
        }
        set type [bus_type $bus]
        if {![info exists logical($type)]} {
            fail "$name: $bus: no interface is $property($bus,bus_type_vlnv)"
        }
        if {![regexp "^xilinx.com:(interface|signal):${type}_rtl:1.0$" $property($bus,abstraction_type_vlnv)]} {
            fail "$name: $bus: $property($bus,abstraction_type_vlnv) is no abstraction of $type"
        }
        check_value $name "$bus interface_mode" master|slave $property($bus,interface_mode)
        foreach map [array names made portmap:$path/*] {
            set signal [lindex [split $map /] end]
            if {![info exists property($map,physical_name)]} {
                fail "$name: $map has no physical_name"
            }
            set port $property($map,physical_name)
            if {$signal ni $logical($type)} {
                fail "$name: $type has no signal $signal"
            }
            if {![info exists ports($port)]} {
                fail "$name: the top has no port $port"
            }
            if {[info exists taken($port)]} {
                fail "$name: the port $port is in two interfaces"
            }
            set given [expr {$property($bus,interface_mode) eq "master" ? "output" : "input"}]
            if {$signal in {TVALID ARVALID AWVALID CLK RST INTERRUPT} && [lindex $ports($port) 0] ne $given} {
                fail "$name: $bus is a $property($bus,interface_mode), and $port is no $given"
            }
            set taken($port) 1
        }
        if {$type eq "aximm"} {
            set slave [expr {$property($bus,interface_mode) eq "slave"}]
            set key [expr {$slave ? "slave_memory_map_ref" : "master_address_space_ref"}]
            if {![info exists property($bus,$key)]} {
                fail "$name: $bus has no $key"
            }
            object $name [expr {$slave ? "map" : "space"}] [expr {$slave ? "map" : "space"}]:$property($bus,$key)
        }
    }
    foreach port [lsort [array names ports]] {
        if {![info exists taken($port)]} {
            fail "$name: the port $port is in no interface"
        }
    }
    check_clocks $name
}

# Every AXI interface has a clock, and every clock a reset.
proc dry::check_clocks {name} {
    variable made
    variable property
    set clocked {}
    foreach bus [lsort [array names made bus:*]] {
        if {[bus_type $bus] ne "clock"} {
            continue
        }
        set path [object $name bus $bus]
        if {![info exists property(parameter:$path/ASSOCIATED_RESET,value)]} {
            fail "$name: the core's clock $path has no reset (ASSOCIATED_RESET)"
        }
        foreach key {ASSOCIATED_BUSIF ASSOCIATED_RESET} {
            if {[info exists property(parameter:$path/$key,value)]} {
                foreach member [split $property(parameter:$path/$key,value) :] {
                    object $name bus bus:$member
                    lappend clocked $member
                }
            }
        }
    }
    foreach bus [lsort [array names made bus:*]] {
        if {[bus_type $bus] in {axis aximm} && [object $name bus $bus] ni $clocked} {
            fail "$name: the interface [object $name bus $bus] of the core has no clock (ASSOCIATED_BUSIF)"
        }
    }
}

dry::command ipx::save_core {} 1 1 {
    variable cores
    variable made
    variable property
    variable ports
    variable root
    variable files
    variable file_type
    set vendor [object $name core [lindex $words 0]]
    need $name ipx::create_xgui_files ipx::update_checksums ipx::check_integrity
    set interfaces {}
    set pins {}
    set bytes {}
    foreach bus [lsort [array names made bus:*]] {
        set path [object $name bus $bus]
        set type [bus_type $bus]
        if {$type in {axis aximm}} {
            lappend interfaces $path $property($bus,interface_mode) $type
            if {$type eq "axis"} {
                dict set bytes $path [expr {[lindex $ports($property(portmap:$path/TDATA,physical_name)) 1] / 8}]
            }
            continue
        }
        foreach map [array names made portmap:$path/*] {
            set output [expr {$property($bus,interface_mode) eq "master"}]
            lappend pins $property($map,physical_name) [expr {$output ? "out" : $type in {clock reset} ? $type : "in"}]
        }
    }
    set core [lindex $words 0]
    set cores($vendor:$property($core,name)) \
        [dict create interfaces $interfaces pins $pins bytes $bytes version $property($core,version)]
    foreach path $files {
        note dry::packaged file $path [expr {[info exists file_type($path)] ? $file_type($path) : ""}]
    }
    foreach object [lsort [array names made]] {
        note dry::packaged object $object
    }
    foreach key [lsort [array names property]] {
        note dry::packaged property {*}[split $key ,] $property($key)
    }
    write_text [file join $root component.xml] "Dry run: no tool wrote this."
    did $name
}
