from kith.service import main
from service_desk.service import SERVICE

main(SERVICE)
